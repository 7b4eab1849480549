/* The slot table by itself: handles, generations, growth.  A worker without a loop is enough for it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "net/internal.h"

enum { MANY = 3000 };

struct fixture {
    struct ax_worker *w;
    struct ax_settings set;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);

    ax_settings_default(&f->set);
    f->set.pool_requests = 4;
    f->w = calloc(1, sizeof *f->w);
    f->w->set = &f->set;
    ax_pool_init(&f->w->block_pool, "output", AX_OUT_BLOCK, 0, 0, NULL);
    *state = f;
    return ax_body_store_init(&f->w->bodies, false, NULL) < 0 ? -1 : ax_slots_init(f->w, NULL);
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    ax_slots_fini(f->w);
    ax_body_store_fini(&f->w->bodies);
    ax_pool_fini(&f->w->block_pool);
    free(f->w);
    free(f);
    return 0;
}

static void test_handles(void **state)
{
    struct ax_worker *w = ((struct fixture *)*state)->w;

    assert_null(ax_request_get(w, 0, 1)); /* no table yet */
    struct ax_request *a = ax_slot_get(w);
    struct ax_handle h = {a->index, a->gen};
    assert_ptr_equal(ax_request_get(w, h.index, h.gen), a);
    assert_null(ax_request_get(w, h.index, h.gen + 1));
    assert_null(ax_request_get(w, h.index, h.gen - 1));
    assert_null(ax_request_get(w, h.index + 1, h.gen));
    assert_null(ax_request_get(w, UINT32_MAX, h.gen));
    ax_slot_put(a);
    assert_null(ax_request_get(w, h.index, h.gen));
    struct ax_request *b = ax_slot_get(w); /* the same index, another generation */
    assert_int_equal(b->index, h.index);
    assert_int_not_equal(b->gen, h.gen);
    assert_null(ax_request_get(w, h.index, h.gen));
    assert_ptr_equal(ax_request_get(w, b->index, b->gen), b);
    ax_slot_put(b);
}

static void test_retire(void **state)
{
    struct ax_worker *w = ((struct fixture *)*state)->w;
    struct ax_request *r = ax_slot_get(w);
    struct ax_handle h = {r->index, r->gen};

    ax_slot_retire(r); /* still in use, but nobody outside may have it */
    assert_null(ax_request_get(w, h.index, h.gen));
    assert_ptr_equal(ax_request_get(w, r->index, r->gen), r);
    struct ax_request *other = ax_slot_get(w);
    assert_int_not_equal(other->index, h.index);
    ax_slot_put(other);
    ax_slot_put(r);
    assert_null(ax_request_get(w, h.index, h.gen));
}

/* Every handle that ever was stays told from the live ones, through growth and reuse in any order. */
static void test_growth_and_stale_handles(void **state)
{
    struct ax_worker *w = ((struct fixture *)*state)->w;
    static struct ax_request *live[MANY];
    static struct ax_handle stale[MANY], now[MANY];
    uint32_t random = 7;

    for (unsigned i = 0; i < MANY; i++) {
        live[i] = ax_slot_get(w);
        assert_non_null(live[i]);
        stale[i] = now[i] = (struct ax_handle){live[i]->index, live[i]->gen};
    }
    assert_true(w->nslots >= MANY);
    for (unsigned k = 0; k < 4 * MANY; k++) {
        random = random * 1664525 + 1013904223;
        unsigned i = (random >> 8) % MANY;
        if (live[i]) {
            ax_slot_put(live[i]);
            live[i] = NULL;
            stale[i] = now[i];
        } else {
            live[i] = ax_slot_get(w);
            now[i] = (struct ax_handle){live[i]->index, live[i]->gen};
        }
    }
    for (unsigned i = 0; i < MANY; i++) {
        assert_ptr_equal(ax_request_get(w, now[i].index, now[i].gen), live[i]);
        if (stale[i].index != now[i].index || stale[i].gen != now[i].gen)
            assert_null(live[i] ? ax_request_get(w, stale[i].index, stale[i].gen) : NULL);
        if (live[i])
            ax_slot_put(live[i]);
    }
    assert_int_equal(w->request_pool.live, 0);
}

/* A slot that comes back carries nothing of the request before. */
static void test_nothing_is_left_behind(void **state)
{
    struct ax_worker *w = ((struct fixture *)*state)->w;
    struct ax_request *r = ax_slot_get(w);
    size_t room;

    r->watched = r->continue_due = r->close = true;
    r->status = 200;
    r->state = AX_REQ_ANSWERED;
    r->nparams = 3;
    r->error = "x";
    memcpy(r->id, "0123456789abcdef", AX_ID_LEN);
    r->site_route = &(struct ax_route){.body_max = 100};
    r->head.chunked = true;
    assert_true(ax_body_add(r, "secret", 6));
    assert_non_null(ax_arena_alloc(&r->arena, 10000));
    assert_non_null(ax_out_room(&r->held, &w->block_pool, 10, &room));
    ax_out_grow(&r->held, 10);
    ax_slot_put(r);
    assert_int_equal(w->block_pool.live, 0);
    r = ax_slot_get(w);
    assert_false(r->watched || r->continue_due || r->close || r->inflight_taken);
    assert_int_equal(r->state, AX_REQ_READING);
    assert_int_equal(r->status, 0);
    assert_int_equal(r->nparams, 0);
    assert_int_equal(r->body.n, 0);
    assert_null(r->body_block);
    assert_null(r->held.head);
    assert_null(r->error);
    assert_string_equal(r->id, "");
    assert_false(r->arena.failed);
    ax_slot_put(r);
}

static void test_no_memory(void **state)
{
    struct ax_worker *w = ((struct fixture *)*state)->w;

    ax_fail_alloc_at(1); /* the table */
    assert_null(ax_slot_get(w));
    struct ax_request *some[8];
    for (unsigned i = 0; i < 8; i++)
        some[i] = ax_slot_get(w);
    ax_fail_alloc_at(1); /* a slot, the warm ones being out */
    assert_null(ax_slot_get(w));
    ax_fail_alloc_at(0);
    struct ax_request *r = ax_slot_get(w);
    assert_non_null(r);
    ax_slot_put(r);
    for (unsigned i = 0; i < 8; i++)
        ax_slot_put(some[i]);
}

/* They count beyond the eight digits that a worker begins with: a busy one gets there within a day. */
static void test_ids(void **state)
{
    static const struct {
        const char *first, *second;
    } t[] = {
        {"12ab340100000000", "12ab340100000001"}, {"12ab340100000009", "12ab34010000000a"},
        {"12ab34010000ffff", "12ab340100010000"}, {"12ab3401ffffffff", "12ab340200000000"},
        {"ffffffffffffffff", "0000000000000000"},
    };
    struct ax_worker *w = ((struct fixture *)*state)->w;

    for (size_t i = 0; i < AX_COUNT(t); i++) {
        memcpy(w->next_id, t[i].first, AX_ID_LEN);
        struct ax_request *a = ax_slot_get(w), *b = ax_slot_get(w);
        assert_string_equal(ax_request_id(a), t[i].first);
        assert_string_equal(ax_request_id(b), t[i].second);
        assert_string_equal(ax_request_id(a), t[i].first);
        ax_slot_put(a);
        ax_slot_put(b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_handles, setup, teardown),
        cmocka_unit_test_setup_teardown(test_retire, setup, teardown),
        cmocka_unit_test_setup_teardown(test_growth_and_stale_handles, setup, teardown),
        cmocka_unit_test_setup_teardown(test_nothing_is_left_behind, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_memory, setup, teardown),
        cmocka_unit_test_setup_teardown(test_ids, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
