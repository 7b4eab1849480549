/* Plays the service manager's part: binds a notification socket, passes listening sockets, starts the command
 * as systemd would, and writes every datagram as one line "notify: A=1|B=2" to standard error, after "pid:
 * N". Ends as the command ends. manager SOCKET WATCHDOG_USEC SOCKETS COMMAND...     SOCKET: a path, or @NAME;
 * WATCHDOG_USEC: 0 = none */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

enum { FIRST_FD = 3 };

static void die(const char *what)
{
    fprintf(stderr, "manager: %s: %s\n", what, strerror(errno));
    exit(99);
}

static int bind_notify(const char *name)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    size_t n = strlen(name);
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || n >= sizeof to.sun_path)
        die("notification socket");
    memcpy(to.sun_path, name, n);
    if (*name == '@')
        to.sun_path[0] = '\0';
    if (bind(fd, (struct sockaddr *)&to, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n)) < 0)
        die(name);
    return fd;
}

static void set_number(const char *name, long value)
{
    char text[32];

    snprintf(text, sizeof text, "%ld", value);
    setenv(name, text, 1);
}

static void run(char **argv)
{
    long sockets = strtol(argv[3], NULL, 10);

    for (int i = 0; i < (int)sockets; i++) {
        struct sockaddr_in any = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
        int fd = socket(AF_INET, SOCK_STREAM, 0);
        if (fd < 0 || bind(fd, (struct sockaddr *)&any, sizeof any) < 0 || listen(fd, 128) < 0 ||
            (fd != FIRST_FD + i && dup2(fd, FIRST_FD + i) < 0))
            die("listening socket");
    }
    setenv("NOTIFY_SOCKET", argv[1], 1);
    if (strcmp(argv[2], "0") != 0) {
        setenv("WATCHDOG_USEC", argv[2], 1);
        set_number("WATCHDOG_PID", getpid());
    }
    if (sockets) {
        set_number("LISTEN_FDS", sockets);
        set_number("LISTEN_PID", getpid());
    }
    execv(argv[4], argv + 4);
    die(argv[4]);
}

static void print_messages(int fd)
{
    char text[4096];
    ssize_t n;

    while ((n = recv(fd, text, sizeof text - 1, MSG_DONTWAIT)) >= 0) {
        text[n] = '\0';
        for (char *p = text; *p; p++)
            if (*p == '\n')
                *p = '|';
        fprintf(stderr, "notify: %s\n", text);
    }
}

int main(int argc, char **argv)
{
    int status;

    if (argc < 5)
        return 99;
    int fd = bind_notify(argv[1]);
    pid_t pid = fork();
    if (pid == 0) {
        fcntl(fd, F_DUPFD_CLOEXEC, 64); /* keeps it bound while its low number is given away */
        run(argv);
    }
    if (pid < 0)
        die("fork");
    fprintf(stderr, "pid: %ld\n", (long)pid);
    struct pollfd p[2] = {{fd, POLLIN, 0}, {pidfd_open(pid, 0), POLLIN, 0}};
    while (!p[1].revents) {
        poll(p, 2, -1);
        print_messages(fd);
    }
    if (waitpid(pid, &status, 0) != pid)
        die("wait");
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
