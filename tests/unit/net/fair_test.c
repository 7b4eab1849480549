/* Who is next: no connection waits for what another has sent ahead. */
#include "net/harness.h"
#include "net/internal.h"

/* ---- the order itself */

/* "aab" = two requests of connection a, then one of b; '-' = one whose client has left.  Each keeps its own
 * order: a's first before a's second. */
static void test_order(void **state)
{
    static const struct {
        const char *ready, *want; /* want: connection and number */
        bool piled;
    } t[] = {
        {"abc", "a1b1c1", false},
        {"aaabbc", "a1b1c1a2b2a3", true},
        {"aabcb", "a1b1c1a2b2", true},
        {"aaaa", "a1a2a3a4", true},
        {"a-a-b", "a1-1-2b1a2", true},
        {"bbbbbbbba", "b1a1b2b3b4b5b6b7b8", true},
        {"a", "a1", false},
        {"", "", false},
    };
    (void)state;

    for (size_t i = 0; i < AX_COUNT(t); i++) {
        struct ax_worker *w = calloc(1, sizeof *w);
        struct ax_conn *conns = calloc(26, sizeof *conns);
        struct ax_request *r = calloc(16, sizeof *r);
        unsigned given[128] = {0};
        char got[64] = "";
        w->ready = calloc(16, sizeof *w->ready);
        w->ready_spare = calloc(16, sizeof *w->ready);
        for (const char *p = t[i].ready; *p; p++) {
            r[w->nready].conn = *p == '-' ? NULL : &conns[*p - 'a'];
            r[w->nready].id[0] = *p;
            r[w->nready].index = ++given[(unsigned char)*p];
            w->ready[w->nready] = &r[w->nready];
            w->nready++;
        }
        ax_worker_take_turns(w);
        for (unsigned k = 0; k < w->nready; k++)
            snprintf(got + 2 * k, 3, "%c%u", w->ready[k]->id[0], w->ready[k]->index);
        assert_string_equal(got, t[i].want);
        assert_int_equal(w->piled, t[i].piled);
        for (unsigned k = 0; k < 26; k++)
            assert_int_equal(conns[k].lined_up, 0);
        free(w->ready);
        free(w->ready_spare);
        free(w);
        free(conns);
        free(r);
    }
}

/* ---- in a worker, one request a turn */

#define GET(path) "GET " path " HTTP/1.1\r\nHost: x\r\n\r\n"
#define TIMES8(s) s s s s s s s s

enum { OTHERS = 8 };

/* Connections are told apart by their path. */
struct order {
    unsigned n;
    char who[256];
};
static void note(struct server *s, struct ax_request *r)
{
    struct order *o = (void *)s->big;

    o->who[o->n++] = r->params[0].p[0];
    answer(r, 200, r->params[0]);
}

/* One client sends 64 requests ahead, then others send one each: those are answered within one round. */
static void test_a_pipelining_client_keeps_nobody_waiting(void **state)
{
    static const struct {
        unsigned batch, enter_at_most;
    } t[] = {{256, 1}, {1, 1}, {16, 2}, {16, 16}};
    (void)state;

    for (size_t i = 0; i < AX_COUNT(t); i++) {
        struct server s;
        int fd[OTHERS];
        server_init(&s);
        s.set.batch = t[i].batch;
        s.set.slice_us = 0; /* every call ends its turn */
        s.enter_at_most = t[i].enter_at_most;
        s.custom = note;
        memset(s.big, 0, sizeof(struct order));
        server_start(&s);
        int greedy = pair_up(&s);
        for (unsigned k = 0; k < OTHERS; k++)
            fd[k] = pair_up(&s);
        until_connections(&s, OTHERS + 1);
        server_command(&s, CMD_HOLD);
        puts_fd(greedy, TIMES8(TIMES8(GET("/custom/g"))));
        for (unsigned k = 0; k < OTHERS; k++) {
            char line[64];
            snprintf(line, sizeof line, GET("/custom/%c"), 'a' + k);
            puts_fd(fd[k], line);
        }
        server_go_on(&s);
        for (unsigned k = 0; k < OTHERS; k++)
            assert_int_equal(status_of(fd[k]), 200);
        for (unsigned k = 0; k < 64; k++)
            assert_int_equal(status_of(greedy), 200);
        const struct order *o = (const void *)s.big;
        unsigned last = 0;
        for (unsigned k = 0; k < o->n; k++)
            last = o->who[k] != 'g' ? k : last;
        assert_int_equal(o->n, 64 + OTHERS);
        /* the first call may go to what one client has sent, then each has its turn */
        assert_in_range(last, OTHERS - 1, t[i].enter_at_most + OTHERS);
        close(greedy);
        for (unsigned k = 0; k < OTHERS; k++)
            close(fd[k]);
        server_stop(&s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_a_pipelining_client_keeps_nobody_waiting),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
