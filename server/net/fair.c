/* Who is next when more requests wait than one batch takes: a connection that pipelines must not make the
 * others wait for all that it has sent. */
#include "net/internal.h"

/* Rounds that are told apart; limits.pipeline is not larger (config/tables.c), and what is beyond shares the
 * last. */
enum { ROUNDS = 1024 };

/* Counts the requests of each round, from zeroes; returns how many rounds there are. */
static unsigned count_rounds(struct ax_worker *w, unsigned count[ROUNDS])
{
    unsigned rounds = 0;

    for (unsigned i = 0; i < w->nready; i++) {
        struct ax_request *r = w->ready[i];
        unsigned k =
            r->conn ? r->conn->lined_up++ : 0; /* without: its client has left, it only wants to end */
        r->round = (uint16_t)(k < ROUNDS ? k : ROUNDS - 1);
        count[r->round]++;
        if (r->round >= rounds)
            rounds = r->round + 1u;
    }
    for (unsigned i = 0; i < w->nready; i++)
        if (w->ready[i]->conn)
            w->ready[i]->conn->lined_up = 0;
    return rounds;
}

void ax_worker_take_turns(struct ax_worker *w)
{
    unsigned at[ROUNDS] = {0}; /* where the next request of each round goes */
    unsigned rounds = count_rounds(w, at), next = 0;

    w->piled = rounds > 1;
    if (!w->piled)
        return;
    for (unsigned k = 0; k < rounds; k++) {
        unsigned n = at[k];
        at[k] = next;
        next += n;
    }
    for (unsigned i = 0; i < w->nready; i++)
        w->ready_spare[at[w->ready[i]->round]++] = w->ready[i];
    struct ax_request **sorted = w->ready_spare;
    w->ready_spare = w->ready;
    w->ready = sorted;
}
