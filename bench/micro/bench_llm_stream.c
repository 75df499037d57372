/* bench/micro/bench_llm_stream.c - what an event of a stream costs on its way: passed on as it is,
 * and translated between dialects. Each figure is the best of several rounds, in nanoseconds an
 * event, of a stream that comes an event at a time.
 */
#include "base/time.h"
#include "llm/relay.h"

#include <stdio.h>

enum { ROUNDS = 15, EVENTS = 2000 };

#define OPENAI_DELTA                                                                               \
    "data: {\"id\":\"chatcmpl-123\",\"object\":\"chat.completion.chunk\",\"created\":1790000000,"  \
    "\"model\":\"gpt-4o-mini\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\" word\"},"       \
    "\"logprobs\":null,\"finish_reason\":null}],\"usage\":null}\n\n"
#define ANTHROPIC_DELTA                                                                            \
    "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,"             \
    "\"delta\":{\"type\":\"text_delta\",\"text\":\" word\"}}\n\n"
#define ANTHROPIC_HEAD                                                                             \
    "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\","       \
    "\"model\":\"claude\",\"usage\":{\"input_tokens\":10}}}\n\n"                                   \
    "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,"             \
    "\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n"
#define GEMINI_DELTA                                                                               \
    "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\" word\"}],\"role\":\"model\"},"   \
    "\"index\":0}],\"usageMetadata\":{\"promptTokenCount\":11,\"candidatesTokenCount\":6,"         \
    "\"totalTokenCount\":17},\"modelVersion\":\"gemini-3-flash\",\"responseId\":\"abc\"}\r\n\r\n"

struct subject {
    const char *name;
    Str head, delta;
    const struct llm_dialect *from, *to; /* NULL: passed on */
    enum llm_events events;
};

static double round_once(const struct subject *s)
{
    struct llm_relay r;
    size_t bytes = 0;

    llm_relay_init(&r, true);
    r.events = s->events;
    if (s->from)
        r.translation = llm_stream_new(s->from, s->to, S("m"), false);
    bytes += llm_relay_feed(&r, s->head).n;
    Usec before = time_mono();
    for (int i = 0; i < EVENTS; i++)
        bytes += llm_relay_feed(&r, s->delta).n;
    double ns = (double)(time_mono() - before) * 1000 / EVENTS;
    if (bytes < (size_t)EVENTS * 10 || r.fault != OK)
        printf("%s: nothing came out\n", s->name);
    llm_relay_done(&r);
    return ns;
}

int main(void)
{
    static const struct subject subjects[] = {
        {"openai, passed on", S_INIT(""), S_INIT(OPENAI_DELTA), NULL, NULL, LLM_EVENTS_CHUNKS},
        {"anthropic, passed on", S_INIT(ANTHROPIC_HEAD), S_INIT(ANTHROPIC_DELTA), NULL, NULL,
         LLM_EVENTS_MESSAGES},
        {"anthropic to openai", S_INIT(ANTHROPIC_HEAD), S_INIT(ANTHROPIC_DELTA),
         &llm_dialect_anthropic, &llm_dialect_openai, LLM_EVENTS_CHUNKS},
        {"openai to anthropic", S_INIT(""), S_INIT(OPENAI_DELTA), &llm_dialect_openai,
         &llm_dialect_anthropic, LLM_EVENTS_CHUNKS},
        {"gemini to openai", S_INIT(""), S_INIT(GEMINI_DELTA), &llm_dialect_gemini,
         &llm_dialect_openai, LLM_EVENTS_CHUNKS},
        {"gemini to anthropic", S_INIT(""), S_INIT(GEMINI_DELTA), &llm_dialect_gemini,
         &llm_dialect_anthropic, LLM_EVENTS_CHUNKS},
    };

    for (size_t i = 0; i < ARRAY_LEN(subjects); i++) {
        double best = round_once(&subjects[i]);
        for (int k = 1; k < ROUNDS; k++) {
            double ns = round_once(&subjects[i]);
            best = ns < best ? ns : best;
        }
        printf("%-22s %7.0f ns an event\n", subjects[i].name, best);
    }
    return 0;
}
