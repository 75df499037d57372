/* test/fuzz/fuzz_journal.c - whatever stands in a journal, reading and folding it ends, with a
 * state that can be decided about or an error; and an event that is read is written as it was.
 *
 * Input: {"definition": ..., "events": [...]}, as the golden journals are.
 */
#include "wf/core.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static void check_same(struct arena *a, const struct wf_def *def, const struct wf_event *ev)
{
    struct wf_event again;
    struct json *json = wf_event_json(a, def, ev);

    if (wf_event_read(def, json, &again) != OK)
        abort();
    assert(json_equal(json, wf_event_json(a, def, &again)));
}

static void fold(struct arena *a, const struct wf_def *def, const struct json *events)
{
    struct wf_state *s = wf_core_new(a, def);
    struct wf_decision d;

    s->copies = true;
    for (size_t i = 0; i < json_len(events) && i < 1000; i++) {
        struct wf_event ev;
        int64_t seq = s->seq;
        if (wf_event_read(def, json_item(events, i), &ev) != OK)
            return;
        check_same(a, def, &ev);
        Err e = wf_core_apply(s, &ev);
        assert(e == OK ? s->seq == seq + 1 : s->seq == seq);
        wf_core_next(s, ev.at, &d);
        if (s->frame_bytes > MIB(64) || arena_used(a) > MIB(64))
            return;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO(arena) *a = arena_new(MIB(512));
    AUTO(wf_def) *def = NULL;
    WfProblems problems = {0};
    struct json *json;

    if (json_parse(a, (Str){(const char *)data, size}, &json) != OK)
        return 0;
    if (wf_def_parse(a, json_text(a, json_at(json, "definition")), &problems, &def) != OK)
        return 0;
    fold(a, def, json_at(json, "events"));
    return 0;
}
