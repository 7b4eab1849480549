/* Form bodies.  Input: a Content-Type value, LF, the body.  Parts lie in the body, come out the same again
 * when they are written anew, and no way of ending leaves the reader undecided. */
#include "fuzz.h"
#include "http/multipart.h"

/* As browsers quote one (WHATWG HTML, multipart/form-data encoding algorithm), and the backslash, too. */
static void write_name(struct ax_buf *to, struct ax_str name)
{
    for (size_t i = 0; i < name.n; i++) {
        char c = name.p[i];
        if (c == '"' || c == '\r' || c == '\n')
            ax_buf_addf(to, "%%%02X", (unsigned char)c);
        else if (c == '\\')
            ax_buf_adds(to, "\\\\");
        else
            ax_buf_addc(to, c);
    }
}

/* Every part as text, and all of them as a body again.  *ret_exact: no name has a '%' that would be taken for
 * an escape. */
static int read_all(struct ax_str body, struct ax_str boundary, struct ax_buf *text, struct ax_buf *again,
                    bool *ret_exact)
{
    struct ax_multipart m;
    struct ax_part part;
    unsigned parts = 0;
    int rc;

    ax_multipart_init(&m, body, boundary);
    while ((rc = ax_multipart_next(&m, &part)) == AX_PART) {
        bool in_scratch = within(part.name, part.scratch, sizeof part.scratch);
        AX_ASSERT(part.name.p && (in_scratch || within(part.name, body.p, body.n)));
        AX_ASSERT(within(part.data, body.p, body.n));
        AX_ASSERT(!part.filename.p || within(part.filename, part.scratch, sizeof part.scratch) ||
                  within(part.filename, body.p, body.n));
        AX_ASSERT(!part.content_type.p || within(part.content_type, body.p, body.n));
        /* a filename never names a folder */
        AX_ASSERT(!part.filename.p || !memchr(part.filename.p, '/', part.filename.n));
        AX_ASSERT(!part.filename.p || !memchr(part.filename.p, '\\', part.filename.n));
        AX_ASSERT(++parts <= body.n);
        AX_ASSERT(m.parts == parts);
        ax_buf_addf(text, "|%zu:", part.name.n);
        ax_buf_add(text, part.name.p, part.name.n);
        ax_buf_addf(text, "=%zu:", part.data.n);
        ax_buf_add(text, part.data.p, part.data.n);
        *ret_exact = *ret_exact && (!part.name.n || !memchr(part.name.p, '%', part.name.n));
        if (!again)
            continue;
        ax_buf_adds(again, "--");
        ax_buf_add(again, boundary.p, boundary.n);
        ax_buf_adds(again, "\r\nContent-Disposition: form-data; name=\"");
        write_name(again, part.name);
        ax_buf_adds(again, "\"\r\n\r\n");
        ax_buf_add(again, part.data.p, part.data.n);
        ax_buf_adds(again, "\r\n");
    }
    for (int i = 0; i < 2; i++)
        AX_ASSERT(ax_multipart_next(&m, &part) == rc); /* it stays so */
    return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct ax_str rest = {(const char *)data, n}, type = {0}, boundary;
    struct ax_buf text = AX_BUF_INIT(FUZZ_OUT_MAX), again = AX_BUF_INIT(FUZZ_OUT_MAX);
    struct ax_buf text2 = AX_BUF_INIT(FUZZ_OUT_MAX);
    bool comes_back = true;

    next_line(&rest, &type);
    char *head = exact(type.p, type.n), *body = exact(rest.p, rest.n);
    if (ax_multipart_boundary((struct ax_str){head, type.n}, &boundary)) {
        AX_ASSERT(within(boundary, head, type.n) && boundary.n >= 1 && boundary.n <= 70);
        int rc = read_all((struct ax_str){body, rest.n}, boundary, &text, &again, &comes_back);
        AX_ASSERT(rc == AX_PARTS_END || rc == AX_PARTS_MALFORMED);
        ax_buf_adds(&again, "--");
        ax_buf_add(&again, boundary.p, boundary.n);
        ax_buf_adds(&again, "--");
        char *copy = exact(again.p, again.n);
        int rc2 = read_all((struct ax_str){copy, again.n}, boundary, &text2, NULL, &comes_back);
        AX_ASSERT(rc2 == AX_PARTS_END);
        AX_ASSERT(!comes_back || ax_str_eq(ax_buf_str(&text), ax_buf_str(&text2)));
        free(copy);
    }
    ax_buf_fini(&text);
    ax_buf_fini(&text2);
    ax_buf_fini(&again);
    free(head);
    free(body);
    return 0;
}
