/* Another program at the database, for tests/integration/faults.test.js:
 *   faults_db FILE SQL            runs it
 *   faults_db FILE SQL wait       runs it, says "held", and ends (rolls back) when its input does
 * The first column of each row is printed. */
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int on_row(void *ctx, int n, char **v, char **names)
{
    (void)ctx;
    (void)names;
    puts(n && v[0] ? v[0] : "");
    return 0;
}

int main(int argc, char **argv)
{
    sqlite3 *db = NULL;
    char *why = NULL, c;

    if (argc < 3 || sqlite3_open(argv[1], &db) != SQLITE_OK)
        return 2;
    sqlite3_busy_timeout(db, 5000);
    if (sqlite3_exec(db, argv[2], on_row, NULL, &why) != SQLITE_OK) {
        fprintf(stderr, "%s\n", why);
        return 1;
    }
    if (argc > 3) {
        puts("held");
        fflush(stdout);
        while (read(STDIN_FILENO, &c, 1) > 0) {
        }
    }
    sqlite3_close(db);
    return 0;
}
