/* src/api/schemas.c - the bodies of the API as JSON Schema: requests are checked against theirs,
 * and the OpenAPI document carries all of them. Text, so that a reader sees what a client sees. */
#include "api/api.h"

#define ID_TYPE "{\"type\":\"string\",\"format\":\"uuid\"}"
#define ID_OR_NULL "{\"type\":[\"string\",\"null\"],\"format\":\"uuid\"}"
#define PRINCIPAL_NAME "{\"type\":\"string\",\"minLength\":1,\"maxLength\":128}"
#define TIME_TYPE "{\"type\":\"string\",\"format\":\"date-time\"}"
#define TIME_OR_NULL "{\"type\":[\"string\",\"null\"],\"format\":\"date-time\"}"
#define RETENTION_RULE                                                                             \
    "{\"type\":\"object\",\"required\":[\"age\",\"count\"],\"properties\":{\"age\":{\"type\":["    \
    "\"string\",\"null\"]},\"count\":{\"type\":[\"integer\",\"null\"]}}}"
#define LIST_OF(name)                                                                              \
    "{\"type\":\"object\",\"description\":\"One page of a "                                        \
    "list.\",\"required\":[\"items\",\"next_cursor\"],"                                            \
    "\"properties\":{\"items\":{\"type\":\"array\",\"items\":{\"$ref\":\"#/components/"            \
    "schemas/" name "\"}},\"next_cursor\":{\"type\":[\"string\",\"null\"]}}}"
#define GATHERING_OR_NULL                                                                          \
    "{\"type\":[\"object\",\"null\"],\"description\":\"Starts that become one run.\","             \
    "\"properties\":{\"kind\":{\"type\":\"string\",\"enum\":[\"debounce\",\"batch\"]},"            \
    "\"starts\":{\"type\":\"integer\"},\"bytes\":{\"type\":\"integer\"},\"first_at\":" TIME_TYPE   \
    ",\"due_at\":" TIME_TYPE "}}"
#define RATE_TYPE "{\"type\":\"integer\",\"minimum\":0}"
#define RATES                                                                                      \
    "\"input\":" RATE_TYPE ",\"output\":" RATE_TYPE ",\"cached_input\":" RATE_TYPE                 \
    ",\"cache_write\":" RATE_TYPE ",\"reasoning\":" RATE_TYPE
#define PRICE_TYPE                                                                                 \
    "{\"type\":\"object\",\"additionalProperties\":false,"                                         \
    "\"description\":\"In millionths of a US dollar for a million tokens; input and output are "   \
    "needed unless another one is there.\",\"properties\":{" RATES                                 \
    ",\"image\":{\"type\":\"integer\",\"minimum\":0,\"description\":\"Millionths of a dollar for " \
    "each image.\"},\"character\":{\"type\":\"integer\",\"minimum\":0,\"description\":\"For a "    \
    "million characters that are spoken.\"},\"second\":{\"type\":\"integer\",\"minimum\":0,"       \
    "\"description\":\"For a million seconds of "                                                  \
    "sound.\"},\"request\":{\"type\":\"integer\",\"minimum\":0,"                                   \
    "\"description\":\"Millionths of a dollar for "                                                \
    "each call.\"},\"max_input\":{\"type\":\"integer\",\"minimum\":1,\"description\":\"The most "  \
    "tokens that a request can "                                                                   \
    "have.\"},\"max_output\":{\"type\":\"integer\",\"minimum\":1,\"description\":\"The most "      \
    "tokens that an answer can "                                                                   \
    "have.\"},\"long\":{\"type\":\"object\",\"additionalProperties\":false,"                       \
    "\"required\":[\"above\"],\"description\":\"For prompts of more than so many tokens.\","       \
    "\"properties\":{\"above\":{\"type\":\"integer\",\"minimum\":1}," RATES "}}}}"

#define WINDOWS                                                                                    \
    "{\"type\":\"object\",\"additionalProperties\":false,\"properties\":{\"minute\":" RATE_TYPE    \
    ",\"hour\":" RATE_TYPE ",\"day\":" RATE_TYPE ",\"month\":" RATE_TYPE "}}"
#define PROMPT_TYPE                                                                                \
    "{\"type\":\"object\",\"additionalProperties\":false,\"required\":[\"model\",\"me"             \
    "ssages\"],\"description\":\"Messages with variables, for a model.\",\"properties"             \
    "\":{\"model\":{\"type\":\"string\",\"minLength\":1,\"maxLength\":256},\"messages"             \
    "\":{\"type\":\"array\",\"minItems\":1,\"maxItems\":100,\"items\":{\"type\":\"obj"             \
    "ect\",\"required\":[\"role\",\"content\"],\"properties\":{\"role\":{\"type\":\"s"             \
    "tring\",\"enum\":[\"system\",\"developer\",\"user\",\"assistant\"]},\"content\":"             \
    "{\"description\":\"A text, or parts as in requests; with {{ variables }}.\"}}}},"             \
    "\"parameters\":{\"type\":\"object\",\"description\":\"Members of requests that d"             \
    "o not say otherwise.\"},\"defaults\":{\"type\":\"object\",\"description\":\"Valu"             \
    "es of variables that need not be given.\"}}}"
#define INT_TYPE "{\"type\":\"integer\"}"
#define TEXT_OR_NULL "{\"type\":[\"string\",\"null\"]}"
#define NUMBER_OR_NULL "{\"type\":[\"number\",\"null\"]}"
#define CALL_PROPERTIES                                                                            \
    "\"id\":" ID_TYPE ",\"time\":" TIME_TYPE ",\"key\":" ID_TYPE                                   \
    ",\"model\":{\"type\":\"string\"},\"provider\":{\"type\":\"string\"},"                         \
    "\"upstream_model\":{\"type\":\"string\"},\"operation\":{\"type\":\"string\"},"                \
    "\"streamed\":{\"type\":\"boolean\"},\"outcome\":{\"type\":\"string\",\"enum\":[\"ok\","       \
    "\"failed\",\"refused\",\"limited\",\"blocked\",\"cancelled\"]},\"status\":" INT_TYPE          \
    ",\"error\":" TEXT_OR_NULL ",\"attempts\":" INT_TYPE                                           \
    ",\"from_cache\":{\"type\":\"boolean\"},\"hedged\":{\"type\":\"boolean\",\"description\":"     \
    "\"Targets were called beside each other; the losers have rows of their own, with the error "  \
    "hedge_lost.\"},\"prompt_tokens\":" INT_TYPE ",\"cached_tokens\":" INT_TYPE                    \
    ",\"completion_tokens\":" INT_TYPE ",\"reasoning_tokens\":" INT_TYPE                           \
    ",\"estimated\":{\"type\":\"boolean\"},"                                                       \
    "\"cost_micros\":{\"type\":[\"integer\",\"null\"]},\"saved_micros\":" INT_TYPE                 \
    ",\"overhead_us\":" INT_TYPE ",\"first_byte_ms\":" NUMBER_OR_NULL                              \
    ",\"total_ms\":{\"type\":\"number\"},\"tokens_per_second\":" NUMBER_OR_NULL                    \
    ",\"agent\":" TEXT_OR_NULL ",\"workflow\":" TEXT_OR_NULL ",\"step\":" TEXT_OR_NULL             \
    ",\"end_user\":" TEXT_OR_NULL ",\"request_id\":" TEXT_OR_NULL ",\"guard\":" TEXT_OR_NULL       \
    ",\"verdict\":" TEXT_OR_NULL ",\"guard_reason\":" TEXT_OR_NULL
#define LOG_TYPE                                                                                   \
    "{\"type\":[\"object\",\"null\"],\"additionalProperties\":false,\"required\":[\"rate\"],"      \
    "\"description\":\"Whether it is kept what is said in calls.\",\"properties\":{\"rate\":{"     \
    "\"type\":\"number\",\"minimum\":0,\"maximum\":1,\"description\":\"The part of calls.\"},"     \
    "\"redact\":{\"type\":\"array\",\"maxItems\":20,\"items\":{\"type\":\"string\",\"minLength\":" \
    "1,"                                                                                           \
    "\"maxLength\":256},\"description\":\"Regular expressions of what is not kept.\"}}}"
#define CACHE_TYPE                                                                                 \
    "{\"type\":[\"object\",\"null\"],\"additionalProperties\":false,\"required\":[\"ttl\"],"       \
    "\"description\":\"Whether answers are kept for the same call again.\",\"properties\":{"       \
    "\"ttl\":{\"type\":\"string\",\"description\":\"For how long, such as \\\"1h\\\"; \\\"0s\\\" " \
    "keeps "                                                                                       \
    "none.\"},\"scope\":{\"type\":\"string\",\"enum\":[\"key\",\"tenant\"],\"default\":\"key\","   \
    "\"description\":\"Whose calls share "                                                         \
    "them.\"},\"similarity\":{\"type\":\"number\",\"minimum\":"                                    \
    "0.5,\"maximum\":1,\"description\":\"From which cosine on other words mean the same.\"},"      \
    "\"embeddings\":{\"type\":\"string\",\"minLength\":1,\"maxLength\":256,\"description\":\"The " \
    "model that tells what words mean.\"}}}"
#define PROBE_TYPE                                                                                 \
    "{\"type\":[\"object\",\"null\"],\"additionalProperties\":false,\"required\":[\"every\"],"     \
    "\"description\":\"Whether it is asked from time to time if it is there.\",\"properties\":{"   \
    "\"every\":{\"type\":\"string\",\"description\":\"Such as \\\"30s\\\".\"},\"kind\":{\"type\":" \
    "\"string\",\"enum\":[\"models\",\"completion\"],\"default\":\"models\",\"description\":"      \
    "\"Ask for "                                                                                   \
    "the list of models, or have a model say a word, which may cost something.\"},\"model\":{"     \
    "\"type\":\"string\",\"maxLength\":256,\"description\":\"That says a word.\"},\"timeout\":{"   \
    "\"type\":\"string\",\"default\":\"10s\"},\"down_after\":{\"type\":\"integer\",\"minimum\":1," \
    "\"maximum\":20,\"default\":3},\"up_after\":{\"type\":\"integer\",\"minimum\":1,\"maximum\":"  \
    "20,"                                                                                          \
    "\"default\":2}}}"
#define HEALTH_TYPE                                                                                \
    "{\"type\":\"object\",\"description\":\"How it is, as this server saw it.\",\"properties\":{"  \
    "\"state\":{\"type\":\"string\",\"enum\":[\"up\",\"down\",\"failing\",\"unknown\",\"off\"]},"  \
    "\"since\":" TIME_OR_NULL ",\"calls\":{\"type\":\"integer\",\"description\":\"Of the last 15 " \
    "minutes.\"},\"errors\":{\"type\":\"object\",\"description\":\"How many of these ended "       \
    "otherwise than well, by how.\",\"additionalProperties\":{\"type\":\"integer\"}},"             \
    "\"last_call\":" TIME_OR_NULL ",\"latency_ms\":" NUMBER_OR_NULL ",\"p95_ms\":" NUMBER_OR_NULL  \
    ",\"last_probe\":{\"type\":[\"object\",\"null\"],\"properties\":{\"at\":" TIME_TYPE            \
    ",\"ok\":{\"type\":\"boolean\"},\"took_ms\":" NUMBER_OR_NULL ",\"in_a_row\":" INT_TYPE         \
    ",\"error\":" TEXT_OR_NULL                                                                     \
    "}},\"targets\":{\"type\":\"array\",\"items\":{\"type\":\"object\","                           \
    "\"properties\":{\"model\":{\"type\":\"string\"},\"breaker\":{\"type\":\"string\",\"enum\":["  \
    "\"well\",\"failing\",\"resting\",\"probing\",\"down\"]},\"failures\":" INT_TYPE               \
    ",\"under_way\":" INT_TYPE ",\"latency_ms\":" NUMBER_OR_NULL "}}}}}"
#define HEDGE_TYPE                                                                                 \
    "{\"type\":[\"object\",\"null\"],\"additionalProperties\":false,\"required\":[\"after\"],"     \
    "\"description\":\"When the next target is called beside one that is silent; the first to "    \
    "answer is taken.\",\"properties\":{\"after\":{\"type\":\"string\",\"description\":\"A span "  \
    "such as \\\"800ms\\\", or \\\"p95\\\": what 95 of 100 of the target's last calls needed.\"}," \
    "\"max\":{\"type\":\"integer\",\"minimum\":1,\"maximum\":3,\"default\":1}}}"
#define LIMITS_PROPERTIES                                                                          \
    "\"limits\":{\"type\":\"object\",\"additionalProperties\":false,\"description\":\"By windows " \
    "of "                                                                                          \
    "the calendar in UTC.\",\"properties\":{\"requests\":" WINDOWS ",\"tokens\":" WINDOWS          \
    ",\"cost_micros\":" WINDOWS "}},\"models\":{\"type\":\"array\",\"maxItems\":200,\"items\":{"   \
    "\"type\":\"string\",\"minLength\":1,\"maxLength\":256},\"description\":\"Names as they are "  \
    "called, or how they begin and *; none: "                                                      \
    "all.\"},\"endpoints\":{\"type\":\"array\",\"maxItems\":"                                      \
    "200,\"items\":{\"type\":\"string\"},\"description\":\"chat, completions, embeddings, "        \
    "messages, count_tokens, responses, generate_content, embed_content; none: "                   \
    "all.\"},\"cache\":" CACHE_TYPE ",\"log\":" LOG_TYPE                                           \
    ",\"end_users\":{\"type\":[\"object\",\"null\"],\"additionalProperties\":false,"               \
    "\"description\":\"Of the tenant alone: what each end-user may use whom a request names.\","   \
    "\"properties\":{\"limits\":{\"type\":\"object\",\"additionalProperties\":false,"              \
    "\"properties\":{\"requests\":" WINDOWS ",\"tokens\":" WINDOWS ",\"cost_micros\":" WINDOWS     \
    "}},\"tracked\":{\"type\":\"integer\",\"minimum\":1,\"maximum\":100000,\"default\":10000,"     \
    "\"description\":\"Of how many counters are kept; the others share one.\"}}}"

const struct api_schema api_schemas[] = {
    {"Execute",
     "{\"type\":\"object\",\"additionalProperties\":false,\"description\":\"How to start a run.\","
     "\"properties\":{"
     "\"input\":{\"description\":\"Any JSON: the trigger's output.\"},"
     "\"vars\":{\"type\":\"object\",\"description\":\"Values for variables of the workflow, for "
     "this run.\"},"
     "\"mocks\":{\"type\":\"object\",\"description\":\"To try it out: these steps do not run, they "
     "give "
     "this.\",\"additionalProperties\":{\"type\":\"object\",\"additionalProperties\":false,"
     "\"required\":[\"output\"],\"properties\":{\"output\":{},\"handle\":{\"type\":\"string\"}}}},"
     "\"dry_run\":{\"type\":\"boolean\",\"description\":\"Compute everything, call nothing and ask "
     "nobody: such steps give their mock, or a placeholder.\"},"
     "\"mode\":{\"type\":\"string\",\"enum\":[\"wait\",\"async\",\"stream\"],\"default\":\"wait\"},"
     "\"version\":{\"description\":\"A number, \\\"published\\\" or \\\"draft\\\".\","
     "\"type\":[\"integer\",\"string\"]},"
     "\"timeout\":{\"type\":\"string\",\"description\":\"How long to wait for the end, such as "
     "\\\"30s\\\".\"}}}"},
    {"TryNode", "{\"type\":\"object\",\"additionalProperties\":false,\"description\":\"What a node "
                "that is run "
                "alone finds.\",\"properties\":{\"input\":{\"description\":\"Of the run.\"},"
                "\"vars\":{\"type\":\"object\"},"
                "\"outputs\":{\"type\":\"object\",\"description\":\"Of other nodes, by id.\"},"
                "\"version\":{\"type\":\"string\",\"default\":\"draft\"}}}"},
    {"Simulate",
     "{\"type\":\"object\",\"additionalProperties\":false,\"description\":\"What to simulate.\","
     "\"properties\":{\"input\":{\"description\":\"Of the runs; made up by the trigger's schema if "
     "there is none.\"},\"mocks\":{\"type\":\"object\",\"description\":\"What steps give, by "
     "id.\"},"
     "\"seeds\":{\"type\":\"integer\",\"minimum\":1,\"maximum\":10000,\"default\":200},"
     "\"first_seed\":{\"type\":\"integer\",\"minimum\":0,\"default\":1},"
     "\"fail\":{\"type\":\"number\",\"minimum\":0,\"maximum\":1,\"default\":0.1,"
     "\"description\":\"How often what can fail does.\"},"
     "\"trace\":{\"type\":\"boolean\",\"description\":\"Tell what happens in the first seed.\"},"
     "\"version\":{\"type\":\"string\",\"default\":\"draft\"}}}"},
    {"Rerun",
     "{\"type\":\"object\",\"additionalProperties\":false,\"description\":\"What is to be other "
     "than in the run that is run again.\",\"properties\":{"
     "\"from\":{\"type\":\"string\",\"minLength\":1,\"description\":\"This step and all behind it "
     "run again; the others keep their results.\"},"
     "\"edits\":{\"type\":\"object\",\"description\":\"Results that stand in place of those of the "
     "run, by step; what is behind them runs again.\"},"
     "\"handles\":{\"type\":\"object\",\"additionalProperties\":{\"type\":\"string\"},"
     "\"description\":\"The ways that edited steps take; that of the run if not given.\"},"
     "\"version\":{\"type\":\"string\",\"enum\":[\"pinned\",\"published\"],\"default\":\"pinned\","
     "\"description\":\"That of the run, or what is published now.\"},"
     "\"mode\":{\"type\":\"string\",\"enum\":[\"wait\",\"async\",\"stream\"],\"default\":\"wait\"},"
     "\"timeout\":{\"type\":\"string\",\"description\":\"How long to wait for the end, such as "
     "\\\"30s\\\".\"}}}"},
    {"Decide",
     "{\"type\":\"object\",\"additionalProperties\":false,\"required\":[\"decision\"],"
     "\"description\":\"A decision about a step that waits for approval.\",\"properties\":{"
     "\"decision\":{\"type\":\"string\",\"enum\":[\"approve\",\"reject\"]},"
     "\"data\":{\"description\":\"What the form asks for.\"},"
     "\"comment\":{\"type\":\"string\",\"maxLength\":2000}}}"},
    {"ChatMessage",
     "{\"type\":\"object\",\"additionalProperties\":false,\"required\":[\"message\"],"
     "\"description\":\"What is said to a workflow that is started by chat.\",\"properties\":{"
     "\"message\":{\"type\":\"string\",\"minLength\":1},"
     "\"conversation_id\":{\"type\":\"string\",\"description\":\"Of an earlier answer; without it "
     "a new conversation begins.\"},"
     "\"mode\":{\"type\":\"string\",\"enum\":[\"stream\",\"wait\"],\"default\":\"stream\"}}}"},
    {"StartListening",
     "{\"type\":\"object\",\"additionalProperties\":false,"
     "\"description\":\"For how long a draft's webhook is listened to.\",\"properties\":{"
     "\"seconds\":{\"type\":\"integer\",\"minimum\":1,\"maximum\":600,\"default\":120}}}"},
    {"SendEvent",
     "{\"type\":\"object\",\"additionalProperties\":false,\"required\":[\"name\"],"
     "\"description\":\"An event for the runs that wait for it.\",\"properties\":{"
     "\"name\":{\"type\":\"string\",\"minLength\":1,\"maxLength\":200},"
     "\"key\":{\"type\":\"string\",\"maxLength\":1000,\"default\":\"\"},"
     "\"data\":{\"description\":\"Any JSON: part of the waiting step's output.\"},"
     "\"idempotency\":{\"type\":\"string\",\"minLength\":1,\"maxLength\":255,"
     "\"description\":\"The same event sent again within a day is the same event.\"}}}"},
    {"NewKey", "{\"type\":\"object\",\"additionalProperties\":false,\"required\":[\"name\"],"
               "\"description\":\"A key to be made.\",\"properties\":{"
               "\"name\":{\"type\":\"string\",\"minLength\":1,\"maxLength\":200},"
               "\"capabilities\":{\"type\":\"string\",\"default\":\"*\"},"
               "\"user\":" ID_OR_NULL ",\"team\":" ID_OR_NULL ","
               "\"expires_at\":" TIME_TYPE "}}"},
    {"KeyOwner",
     "{\"type\":\"object\",\"additionalProperties\":false,\"description\":\"Of which user "
     "and team a key is; null, or not there: of none. A key without a team is of its user's.\","
     "\"properties\":{\"user\":" ID_OR_NULL ",\"team\":" ID_OR_NULL "}}"},
    {"NewTeam", "{\"type\":\"object\",\"additionalProperties\":false,\"required\":[\"name\"],"
                "\"description\":\"A team.\",\"properties\":{\"name\":" PRINCIPAL_NAME "}}"},
    {"NewUser",
     "{\"type\":\"object\",\"additionalProperties\":false,\"required\":[\"name\"],"
     "\"description\":\"A user that keys are of.\",\"properties\":{\"name\":" PRINCIPAL_NAME
     ",\"team\":" ID_OR_NULL "}}"},
    {"ModelLimits", "{\"type\":\"object\",\"additionalProperties\":false,\"description\":\"What a "
                    "key, a user, a team or the tenant "
                    "may use of models from now on.\",\"properties\":{" LIMITS_PROPERTIES "}}"},
    {"NewModelRoute",
     "{\"type\":\"object\",\"additionalProperties\":false,\"required\":[\"name\",\"targets\"],"
     "\"description\":\"A name for models, and who answers for it.\",\"properties\":{"
     "\"name\":{\"type\":\"string\",\"minLength\":1,\"maxLength\":128},"
     "\"targets\":{\"type\":\"array\",\"minItems\":1,\"maxItems\":16,\"description\":\"Called in "
     "this "
     "order until one answers.\",\"items\":{\"type\":\"object\",\"additionalProperties\":false,"
     "\"required\":[\"provider\",\"model\"],\"properties\":{\"provider\":{\"type\":\"string\"},"
     "\"model\":{\"type\":\"string\"},\"weight\":{\"type\":\"integer\",\"minimum\":1,"
     "\"maximum\":1000,\"default\":1},\"max_concurrent\":{\"type\":\"integer\",\"minimum\":0,"
     "\"maximum\":100000,\"description\":\"Calls of it at once; more wait.\"}}}},"
     "\"balance\":{\"type\":\"string\",\"enum\":[\"order\",\"weighted\",\"fastest\"],"
     "\"default\":\"order\"},\"context\":{\"type\":\"string\",\"enum\":[\"none\",\"error\","
     "\"trim\"],\"description\":\"What becomes of a request that is longer than the model can "
     "read; without it as the setting models.context "
     "says.\"},\"sticky\":{\"type\":\"string\",\"maxLength\":64,\"description\":"
     "\"A request header: calls with the same value go to the same target.\"},"
     "\"attempts\":{\"type\":\"integer\",\"minimum\":1,\"maximum\":10,\"default\":3},"
     "\"cache\":" CACHE_TYPE ",\"hedge\":" HEDGE_TYPE ","
     "\"timeout\":{\"type\":\"string\",\"description\":\"How long a target may be silent; that of "
     "its provider if not given.\"}}}"},
    {"ModelRouteChange",
     "{\"type\":\"object\",\"additionalProperties\":false,\"required\":[\"targets\"],"
     "\"description\":\"What a route is from now on.\",\"properties\":{"
     "\"targets\":{\"type\":\"array\",\"minItems\":1,\"maxItems\":16,\"description\":\"Called in "
     "this "
     "order until one answers.\",\"items\":{\"type\":\"object\",\"additionalProperties\":false,"
     "\"required\":[\"provider\",\"model\"],\"properties\":{\"provider\":{\"type\":\"string\"},"
     "\"model\":{\"type\":\"string\"},\"weight\":{\"type\":\"integer\",\"minimum\":1,"
     "\"maximum\":1000,\"default\":1},\"max_concurrent\":{\"type\":\"integer\",\"minimum\":0,"
     "\"maximum\":100000,\"description\":\"Calls of it at once; more wait.\"}}}},"
     "\"balance\":{\"type\":\"string\",\"enum\":[\"order\",\"weighted\",\"fastest\"],"
     "\"default\":\"order\"},\"context\":{\"type\":\"string\",\"enum\":[\"none\",\"error\","
     "\"trim\"],\"description\":\"What becomes of a request that is longer than the model can "
     "read; without it as the setting models.context "
     "says.\"},\"sticky\":{\"type\":\"string\",\"maxLength\":64,\"description\":"
     "\"A request header: calls with the same value go to the same target.\"},"
     "\"attempts\":{\"type\":\"integer\",\"minimum\":1,\"maximum\":10,\"default\":3},"
     "\"cache\":" CACHE_TYPE ",\"hedge\":" HEDGE_TYPE ","
     "\"timeout\":{\"type\":\"string\",\"description\":\"How long a target may be silent; that of "
     "its provider if not given.\"},"
     "\"revision\":{\"type\":\"integer\",\"description\":\"Refused if it is another "
     "meanwhile.\"}}}"},
    {"NewPrompt", "{\"type\":\"object\",\"additionalProperties\":false,\"required\":[\"name\",\"pro"
                  "mpt\"],\"description\":\"A prompt to be made, with its first version.\",\"proper"
                  "ties\":{\"name\":{\"type\":\"string\",\"minLength\":1,\"maxLength\":64},\"descri"
                  "ption\":{\"type\":\"string\",\"maxLength\":2000},\"note\":{\"type\":\"string\","
                  "\"maxLength\":2000},\"prompt\":" PROMPT_TYPE "}}"},
    {"NewPromptVersion",
     "{\"type\":\"object\",\"additionalProperties\":false,\"required\":[\"prompt\"],\""
     "description\":\"A version to be added.\",\"properties\":{\"note\":{\"type\":\"st"
     "ring\",\"maxLength\":2000},\"publish\":{\"type\":\"boolean\",\"default\":false},"
     "\"revision\":{\"type\":\"integer\",\"description\":\"Refused if it is another me"
     "anwhile.\"},\"prompt\":" PROMPT_TYPE "}}"},
    {"PromptLabel",
     "{\"type\":\"object\",\"additionalProperties\":false,\"required\":[\"version\"],"
     "\"description\":\"What a label stands for from now on.\",\"properties\":{\"versi"
     "on\":{\"type\":\"integer\",\"minimum\":1},\"revision\":{\"type\":\"integer\"}}}"},
    {"RenderPrompt",
     "{\"type\":\"object\",\"additionalProperties\":false,\"description\":\"A prompt t"
     "o be filled.\",\"properties\":{\"version\":{\"type\":\"string\",\"description\":"
     "\"A number or a label; the published one if not given.\"},\"variables\":{\"type"
     "\":\"object\"}}}"},
    {"NewGuard",
     "{\"type\":\"object\",\"additionalProperties\":false,\"required\":[\"name\",\"url\","
     "\"events\"],\"description\":\"A service that looks at what is said to models and by "
     "them.\",\"properties\":{\"name\":{\"type\":\"string\",\"minLength\":1,\"maxLength\":64},"
     "\"url\":{\"type\":\"string\",\"maxLength\":2048},\"events\":{\"type\":\"array\",\"minItems\":"
     "1,\"maxItems\":4,\"items\":{\"type\":\"string\",\"enum\":[\"request\",\"chunk\",\"response\","
     "\"moderation\"]}},\"routes\":{\"type\":\"array\",\"maxItems\":100,\"items\":{\"type\":"
     "\"string\",\"minLength\":1,\"maxLength\":256},\"description\":\"Names of models as clients "
     "call them; one that ends in * stands for all that begin so. None: "
     "all.\"},\"keys\":{\"type\":\"array\",\"maxItems\":100,\"items\":" ID_TYPE
     ",\"description\":\"Calls of these keys alone. None: of "
     "all.\"},\"except_keys\":{\"type\":\"array\",\"maxItems\":100,\"items\":" ID_TYPE
     ",\"description\":\"Not calls of these "
     "keys.\"},\"timeout\":{\"type\":\"string\",\"description\":\"How long a verdict may take, "
     "50ms to "
     "1m.\",\"default\":\"2s\"},\"on_error\":{\"type\":\"string\",\"enum\":[\"refuse\",\"allow\"],"
     "\"default\":\"refuse\",\"description\":\"What becomes of a call when there is no "
     "verdict.\"},\"window\":{\"type\":\"integer\",\"minimum\":1,\"maximum\":65536,\"default\":400,"
     "\"description\":\"Bytes of a stream that wait before the guard is "
     "asked.\"},\"hold_back\":{\"type\":\"integer\",\"minimum\":0,\"maximum\":8192,\"default\":128,"
     "\"description\":\"Bytes of a stream that wait until more has come: what is no longer is "
     "never out by "
     "half.\"},\"private_network\":{\"type\":\"boolean\",\"default\":false},\"enabled\":{\"type\":"
     "\"boolean\",\"default\":true},\"secret\":{\"type\":\"string\",\"minLength\":16,\"maxLength\":"
     "200,\"description\":\"Signs the calls; made if not given.\"}}}"},
    {"GuardChange",
     "{\"type\":\"object\",\"additionalProperties\":false,\"required\":[\"url\",\"events\"],"
     "\"description\":\"What a guard is from now "
     "on.\",\"properties\":{\"url\":{\"type\":\"string\",\"maxLength\":2048},\"events\":{\"type\":"
     "\"array\",\"minItems\":1,\"maxItems\":4,\"items\":{\"type\":\"string\",\"enum\":[\"request\","
     "\"chunk\",\"response\",\"moderation\"]}},\"routes\":{\"type\":\"array\",\"maxItems\":100,"
     "\"items\":{\"type\":\"string\",\"minLength\":1,\"maxLength\":256},\"description\":\"Names of "
     "models as clients call them; one that ends in * stands for all that begin so. None: "
     "all.\"},\"keys\":{\"type\":\"array\",\"maxItems\":100,\"items\":" ID_TYPE
     ",\"description\":\"Calls of these keys alone. None: of "
     "all.\"},\"except_keys\":{\"type\":\"array\",\"maxItems\":100,\"items\":" ID_TYPE
     ",\"description\":\"Not calls of these "
     "keys.\"},\"timeout\":{\"type\":\"string\",\"description\":\"How long a verdict may take, "
     "50ms to "
     "1m.\",\"default\":\"2s\"},\"on_error\":{\"type\":\"string\",\"enum\":[\"refuse\",\"allow\"],"
     "\"default\":\"refuse\",\"description\":\"What becomes of a call when there is no "
     "verdict.\"},\"window\":{\"type\":\"integer\",\"minimum\":1,\"maximum\":65536,\"default\":400,"
     "\"description\":\"Bytes of a stream that wait before the guard is "
     "asked.\"},\"hold_back\":{\"type\":\"integer\",\"minimum\":0,\"maximum\":8192,\"default\":128,"
     "\"description\":\"Bytes of a stream that wait until more has come: what is no longer is "
     "never out by "
     "half.\"},\"private_network\":{\"type\":\"boolean\",\"default\":false},\"enabled\":{\"type\":"
     "\"boolean\",\"default\":true},\"secret\":{\"type\":\"string\",\"minLength\":16,\"maxLength\":"
     "200,\"description\":\"Signs the calls; made if not "
     "given.\"},\"rotate_secret\":{\"type\":\"boolean\",\"description\":\"Make a new secret, which "
     "the answer shows.\"},\"revision\":{\"type\":\"integer\",\"description\":\"Refused if it is "
     "another meanwhile.\"}}}"},
    {"NewPrice",
     "{\"type\":\"object\",\"additionalProperties\":false,\"required\":[\"provider\",\"model\","
     "\"price\"],\"description\":\"What a model costs from now on.\",\"properties\":{"
     "\"provider\":{\"type\":\"string\",\"minLength\":1,\"maxLength\":64,\"description\":\"A "
     "provider's name, or a kind of providers.\"},"
     "\"model\":{\"type\":\"string\",\"minLength\":1,\"maxLength\":256,\"description\":\"As the "
     "provider names it.\"},"
     "\"price\":" PRICE_TYPE "}}"},
    {"NewSubscription",
     "{\"type\":\"object\",\"additionalProperties\":false,\"required\":[\"url\",\"events\"],"
     "\"description\":\"Who is to be told of what.\",\"properties\":{"
     "\"url\":{\"type\":\"string\",\"maxLength\":2048},"
     "\"events\":{\"type\":\"array\",\"minItems\":1,\"maxItems\":20,\"items\":{\"type\":"
     "\"string\"},\"description\":\"run.succeeded, run.failed, run.cancelled, "
     "approval.requested, provider.down, provider.up, budget.warning, budget.exhausted, "
     "limits.degraded, limits.restored; or * "
     "alone.\"},"
     "\"workflow_id\":{\"type\":[\"string\",\"null\"],\"description\":\"Of this workflow "
     "alone.\"},"
     "\"description\":{\"type\":\"string\",\"maxLength\":500},"
     "\"secret\":{\"type\":\"string\",\"maxLength\":200,\"writeOnly\":true,\"description\":"
     "\"Signs deliveries; one is made if none is given.\"},"
     "\"max_attempts\":{\"type\":\"integer\",\"minimum\":1,\"maximum\":12,\"default\":12},"
     "\"enabled\":{\"type\":\"boolean\",\"default\":true}}}"},
    {"SubscriptionChange",
     "{\"type\":\"object\",\"additionalProperties\":false,"
     "\"description\":\"What is to be different about a subscription.\",\"properties\":{"
     "\"url\":{\"type\":\"string\",\"maxLength\":2048},"
     "\"events\":{\"type\":\"array\",\"minItems\":1,\"maxItems\":20,\"items\":{\"type\":"
     "\"string\"}},\"workflow_id\":{\"type\":[\"string\",\"null\"]},"
     "\"description\":{\"type\":\"string\",\"maxLength\":500},"
     "\"rotate_secret\":{\"type\":\"boolean\",\"description\":\"Make a new secret.\"},"
     "\"max_attempts\":{\"type\":\"integer\",\"minimum\":1,\"maximum\":12},"
     "\"enabled\":{\"type\":\"boolean\"},"
     "\"revision\":{\"type\":\"integer\",\"description\":\"The one that was read: refused if it "
     "was changed since.\"}}}"},
    {"NewProvider",
     "{\"type\":\"object\",\"additionalProperties\":false,\"required\":[\"kind\"],"
     "\"description\":\"A model provider to be added.\",\"properties\":{"
     "\"kind\":{\"type\":\"string\",\"description\":\"One of /api/provider-kinds.\"},"
     "\"name\":{\"type\":\"string\",\"maxLength\":64,\"description\":\"The first part of its "
     "models' names; the kind if not given.\"},"
     "\"base_url\":{\"type\":\"string\",\"maxLength\":1024,\"description\":\"That of the kind if "
     "not given.\"},"
     "\"api_version\":{\"type\":\"string\",\"maxLength\":32,\"description\":\"Of Azure's API; the "
     "usual one if empty.\"},"
     "\"credential\":{\"type\":\"string\",\"maxLength\":4096,\"writeOnly\":true},"
     "\"private_network\":{\"type\":\"boolean\",\"description\":\"Whether it may be on this "
     "machine or in a private network.\"},"
     "\"enabled\":{\"type\":\"boolean\",\"default\":true},"
     "\"timeout\":{\"type\":\"string\",\"default\":\"10m\"},\"probe\":" PROBE_TYPE "}}"},
    {"ProviderChange",
     "{\"type\":\"object\",\"additionalProperties\":false,"
     "\"description\":\"What is given changes, the rest stays.\",\"properties\":{"
     "\"base_url\":{\"type\":\"string\",\"maxLength\":1024},"
     "\"api_version\":{\"type\":\"string\",\"maxLength\":32,\"description\":\"Of Azure's API; the "
     "usual one if empty.\"},"
     "\"credential\":{\"type\":\"string\",\"maxLength\":4096,\"writeOnly\":true,"
     "\"description\":\"Empty takes it away.\"},"
     "\"private_network\":{\"type\":\"boolean\"},\"enabled\":{\"type\":\"boolean\"},"
     "\"timeout\":{\"type\":\"string\"},\"probe\":" PROBE_TYPE ","
     "\"revision\":{\"type\":\"integer\",\"description\":\"Refused if it is another "
     "meanwhile.\"}}}"},
    {"SchedulePreview",
     "{\"type\":\"object\",\"additionalProperties\":false,\"required\":[\"schedule\"],"
     "\"description\":\"The schedule of a trigger, as it stands in a definition.\","
     "\"properties\":{\"schedule\":{\"type\":\"object\"},"
     "\"count\":{\"type\":\"integer\",\"minimum\":1,\"maximum\":100,\"default\":5}}}"},
    {"TokenCountRequest",
     "{\"type\":\"object\",\"required\":[\"model\"],\"properties\":{\"model\":{\"type\":"
     "\"string\",\"minLength\":1,\"maxLength\":512,\"description\":\"As calls name it.\"},"
     "\"text\":{\"type\":\"string\",\"description\":\"What to count; or else the members of a call "
     "of chat, messages or responses.\"}}}"},
    {"Retention",
     "{\"type\":\"object\",\"additionalProperties\":false,\"description\":\"As settings.retention "
     "of "
     "a workflow; empty: nothing is said.\",\"properties\":{\"age\":{\"type\":[\"string\","
     "\"number\"]},\"count\":{\"type\":\"integer\"},\"succeeded\":{\"type\":\"object\"},"
     "\"failed\":{\"type\":\"object\"},\"cancelled\":{\"type\":\"object\"}}}"},
    {0},
};

/* Shapes that only describe: of answers, and of definitions, which wf/def.c checks better than a
 * schema can. */
const struct api_schema api_shapes[] = {
    {"Definition",
     "{\"type\":\"object\",\"description\":\"A workflow in the native format, version 1.\","
     "\"required\":[\"heddle\",\"name\",\"nodes\",\"edges\"],\"properties\":{"
     "\"heddle\":{\"type\":\"integer\",\"const\":1},\"name\":{\"type\":\"string\"},"
     "\"description\":{\"type\":\"string\"},\"variables\":{\"type\":\"array\",\"items\":{\"type\":"
     "\"object\"}},"
     "\"settings\":{\"type\":\"object\"},\"viewport\":{\"type\":\"object\"},"
     "\"nodes\":{\"type\":\"array\",\"items\":{\"type\":\"object\",\"required\":[\"id\",\"type\"],"
     "\"properties\":{\"id\":{\"type\":\"string\"},\"type\":{\"type\":\"string\"},"
     "\"position\":{\"type\":\"object\"},\"data\":{\"type\":\"object\"}}}},"
     "\"edges\":{\"type\":\"array\",\"items\":{\"type\":\"object\",\"required\":[\"id\",\"source\","
     "\"target\"],"
     "\"properties\":{\"id\":{\"type\":\"string\"},\"source\":{\"type\":\"string\"},"
     "\"target\":{\"type\":\"string\"},\"sourceHandle\":{\"type\":[\"string\",\"null\"]},"
     "\"targetHandle\":{\"type\":[\"string\",\"null\"]}}}}}}"},
    {"Problem", "{\"type\":\"object\",\"description\":\"What went wrong (RFC 9457).\","
                "\"required\":[\"type\",\"title\",\"status\",\"code\"],\"properties\":{"
                "\"type\":{\"type\":\"string\"},\"title\":{\"type\":\"string\"},\"status\":{"
                "\"type\":\"integer\"},"
                "\"detail\":{\"type\":\"string\"},\"code\":{\"type\":\"string\"},\"request_id\":{"
                "\"type\":\"string\"},"
                "\"errors\":{\"type\":\"array\",\"items\":{\"$ref\":\"#/components/schemas/"
                "LocatedError\"}}}}"},
    {"LocatedError",
     "{\"type\":\"object\",\"description\":\"One thing wrong, and where.\",\"properties\":{"
     "\"path\":{\"type\":\"string\"},\"node\":{\"type\":\"string\"},\"field\":{\"type\":\"string\"}"
     ","
     "\"code\":{\"type\":\"string\"},\"message\":{\"type\":\"string\"},\"warning\":{\"type\":"
     "\"boolean\"}}}"},
    {"Workflow",
     "{\"type\":\"object\",\"description\":\"A workflow with its draft.\","
     "\"required\":[\"id\",\"name\",\"revision\"],\"properties\":{\"id\":" ID_TYPE ","
     "\"name\":{\"type\":\"string\"},\"description\":{\"type\":\"string\"},\"revision\":{\"type\":"
     "\"integer\"},"
     "\"published_version\":{\"type\":[\"integer\",\"null\"]},\"latest_version\":{\"type\":["
     "\"integer\",\"null\"]},"
     "\"webhook_url\":{\"type\":\"string\"},\"form_url\":{\"type\":\"string\"},\"chat_url\":{"
     "\"type\":\"string\"},\"definition\":{\"$"
     "ref\":\"#/components/schemas/"
     "Definition\"},"
     "\"warnings\":{\"type\":\"array\",\"items\":{\"$ref\":\"#/components/schemas/LocatedError\"}},"
     "\"created_at\":" TIME_TYPE ",\"updated_at\":" TIME_TYPE "}}"},
    {"WorkflowList", LIST_OF("Workflow")},
    {"Validation",
     "{\"type\":\"object\",\"description\":\"What is wrong with a "
     "definition.\",\"required\":[\"valid\"],"
     "\"properties\":{\"valid\":{\"type\":\"boolean\"},"
     "\"errors\":{\"type\":\"array\",\"items\":{\"$ref\":\"#/components/schemas/LocatedError\"}},"
     "\"warnings\":{\"type\":\"array\",\"items\":{\"$ref\":\"#/components/schemas/"
     "LocatedError\"}}}}"},
    {"Published",
     "{\"type\":\"object\",\"description\":\"The version that is published now.\","
     "\"required\":[\"version\"],\"properties\":{\"version\":{\"type\":\"integer\"}}}"},
    {"Version", "{\"type\":\"object\",\"description\":\"An immutable version of a workflow.\","
                "\"required\":[\"version\"],\"properties\":{\"version\":{\"type\":\"integer\"},"
                "\"published\":{\"type\":\"boolean\"},\"created_at\":" TIME_TYPE
                ",\"created_by\":{\"type\":\"string\"},"
                "\"definition\":{\"$ref\":\"#/components/schemas/Definition\"}}}"},
    {"VersionList", LIST_OF("Version")},
    {"Conversation",
     "{\"type\":\"object\",\"description\":\"A conversation with a workflow.\",\"required\":["
     "\"conversation_id\",\"turns\"],\"properties\":{\"conversation_id\":{\"type\":\"string\"},"
     "\"created_at\":{\"type\":\"string\",\"format\":\"date-time\"},"
     "\"keep_until\":{\"type\":\"string\",\"format\":\"date-time\"},"
     "\"turns\":{\"type\":\"array\",\"items\":{\"type\":\"object\",\"required\":[\"turn\","
     "\"message\",\"state\",\"answer\"],\"properties\":{\"turn\":{\"type\":\"integer\"},"
     "\"run_id\":{\"type\":\"string\"},\"at\":{\"type\":\"string\"},\"message\":{\"type\":"
     "\"string\"},\"state\":{\"type\":\"string\",\"enum\":[\"running\",\"answered\","
     "\"failed\"]},\"answer\":{\"type\":[\"string\",\"null\"]}}}}}}"},
    {"Listening",
     "{\"type\":\"object\",\"description\":\"The test address of a draft's webhook, and what "
     "came.\",\"required\":[\"listening\",\"url\",\"until\",\"calls\"],\"properties\":{"
     "\"listening\":{\"type\":\"boolean\"},\"url\":{\"type\":\"string\"},"
     "\"until\":{\"type\":[\"string\",\"null\"],\"format\":\"date-time\"},"
     "\"calls\":{\"type\":\"array\",\"description\":\"The last ten, newest first.\","
     "\"items\":{\"type\":\"object\",\"required\":[\"at\",\"outcome\",\"request\",\"size\"],"
     "\"properties\":{\"at\":{\"type\":\"string\",\"format\":\"date-time\"},"
     "\"outcome\":{\"type\":\"string\",\"enum\":[\"started\",\"repeated\",\"skipped\","
     "\"refused\"]},\"request\":{\"type\":\"object\"},\"size\":{\"type\":\"integer\"},"
     "\"input\":{},\"raw\":{\"type\":\"string\"},\"truncated\":{\"type\":\"boolean\"},"
     "\"run_id\":{\"type\":\"string\"},\"error\":{\"type\":\"object\"},"
     "\"errors\":{\"type\":\"array\",\"items\":{\"type\":\"object\"}}}}}}}"},
    {"Simulation",
     "{\"type\":\"object\",\"description\":\"How simulated runs of a workflow end, and why.\","
     "\"required\":[\"done\",\"outcomes\",\"errors\",\"steps\"],\"properties\":{"
     "\"done\":{\"type\":\"integer\",\"description\":\"Seeds; fewer than asked for when time was "
     "up.\"},\"outcomes\":{\"type\":\"object\"},\"errors\":{\"type\":\"array\",\"items\":{\"type\":"
     "\"object\"}},\"steps\":{\"type\":\"array\",\"items\":{\"type\":\"object\"}}}}"},
    {"TriedNode",
     "{\"type\":\"object\",\"description\":\"What came of a node that was run "
     "alone.\",\"required\":["
     "\"state\"],\"properties\":{\"state\":{\"type\":\"string\",\"enum\":[\"succeeded\",\"failed\","
     "\"waiting\"]},\"output\":{},\"handle\":{\"type\":\"string\"},\"error\":{\"type\":\"object\"},"
     "\"waiting_for\":{\"type\":\"object\"},\"duration_ms\":{\"type\":\"number\"}}}"},
    {"WorkflowDiff",
     "{\"type\":\"object\",\"description\":\"What is different between two "
     "versions.\",\"required\":["
     "\"same\",\"nodes\",\"edges\",\"workflow\"],\"properties\":{\"same\":{\"type\":\"boolean\"},"
     "\"whole\":{\"type\":\"boolean\",\"description\":\"False when there are more differences than "
     "are "
     "told.\"},\"nodes\":{\"type\":\"array\",\"items\":{\"$ref\":\"#/components/schemas/"
     "PartDiff\"}},"
     "\"edges\":{\"type\":\"array\",\"items\":{\"$ref\":\"#/components/schemas/PartDiff\"}},"
     "\"workflow\":{\"type\":\"array\",\"items\":{\"$ref\":\"#/components/schemas/"
     "RunDifference\"}}}}"},
    {"PartDiff",
     "{\"type\":\"object\",\"description\":\"A node or an edge that is "
     "different.\",\"required\":[\"id\","
     "\"change\"],\"properties\":{\"id\":{\"type\":\"string\"},\"type\":{\"type\":\"string\"},"
     "\"change\":{\"type\":\"string\",\"enum\":[\"added\",\"removed\",\"changed\"]},"
     "\"differences\":{\"type\":\"array\",\"items\":{\"$ref\":\"#/components/schemas/"
     "RunDifference\"}}}}"},
    {"ScheduleTime",
     "{\"type\":\"object\",\"description\":\"A moment, and what the clock in the schedule's time "
     "zone shows.\",\"required\":[\"at\",\"local\"],\"properties\":{\"at\":" TIME_TYPE
     ",\"local\":" TIME_TYPE "}}"},
    {"Schedule",
     "{\"type\":\"object\",\"description\":\"When the published version of a workflow fires.\","
     "\"required\":[\"version\",\"settings\",\"next_at\",\"times\"],\"properties\":{"
     "\"version\":{\"type\":\"integer\"},\"settings\":{\"type\":\"object\"},"
     "\"next_at\":" TIME_OR_NULL ",\"due_at\":" TIME_OR_NULL ",\"last_at\":" TIME_OR_NULL ","
     "\"last_run_id\":{\"type\":[\"string\",\"null\"],\"format\":\"uuid\"},"
     "\"times\":{\"type\":\"array\",\"items\":{\"$ref\":\"#/components/schemas/"
     "ScheduleTime\"}}}}"},
    {"ScheduleList", LIST_OF("Schedule")},
    {"SchedulePreviewed",
     "{\"type\":\"object\",\"description\":\"When a schedule would fire next.\","
     "\"required\":[\"settings\",\"times\"],\"properties\":{\"settings\":{\"type\":\"object\"},"
     "\"times\":{\"type\":\"array\",\"items\":{\"$ref\":\"#/components/schemas/"
     "ScheduleTime\"}}}}"},
    {"NodeType",
     "{\"type\":\"object\",\"description\":\"A kind of node, with its settings.\",\"properties\":{"
     "\"name\":{\"type\":\"string\"},\"title\":{\"type\":\"string\"},\"help\":{\"type\":\"string\"}"
     ","
     "\"group\":{\"type\":\"string\"},\"fields\":{\"type\":\"array\",\"items\":{\"type\":"
     "\"object\"}},"
     "\"handles\":{\"type\":\"array\",\"items\":{\"type\":\"string\"}}}}"},
    {"NodeTypeList",
     "{\"type\":\"object\",\"description\":\"All node types, and the settings all of them take.\","
     "\"required\":[\"types\",\"common\"],\"properties\":{"
     "\"types\":{\"type\":\"array\",\"items\":{\"$ref\":\"#/components/schemas/NodeType\"}},"
     "\"common\":{\"type\":\"array\",\"items\":{\"type\":\"object\"}}}}"},
    {"Run",
     "{\"type\":\"object\",\"description\":\"One execution of a workflow.\","
     "\"required\":[\"id\",\"workflow_id\",\"version\",\"state\"],\"properties\":{\"id\":" ID_TYPE
     ","
     "\"workflow_id\":" ID_TYPE
     ",\"workflow_name\":{\"type\":\"string\"},\"version\":{\"type\":\"integer\"},"
     "\"state\":{\"type\":\"string\",\"enum\":[\"queued\",\"running\",\"waiting\",\"paused\","
     "\"poisoned\",\"succeeded\","
     "\"failed\","
     "\"cancelled\"]},\"trigger\":{\"type\":\"string\"},\"input\":{},\"output\":{},"
     "\"pause_requested\":{\"type\":\"boolean\"},"
     "\"keep\":{\"type\":\"boolean\",\"description\":\"It is not deleted, however old.\"},"
     "\"dry_run\":{\"type\":\"boolean\",\"description\":\"Nothing was called.\"},"
     "\"rerun_of\":{\"type\":[\"object\",\"null\"],\"description\":\"The run that was run again.\","
     "\"properties\":{\"run_id\":" ID_TYPE ",\"from\":{\"type\":[\"string\",\"null\"]},"
     "\"edited\":{\"type\":\"array\",\"items\":{\"type\":\"string\"}}}},"
     "\"error\":{\"type\":[\"object\",\"null\"],\"properties\":{\"code\":{\"type\":\"string\"},"
     "\"message\":{\"type\":\"string\"},\"node\":{\"type\":\"string\"}}},"
     "\"created_at\":" TIME_TYPE ",\"started_at\":" TIME_OR_NULL ",\"finished_at\":" TIME_OR_NULL
     ","
     "\"duration_ms\":{\"type\":[\"number\",\"null\"]},"
     "\"compensation\":{\"type\":\"object\",\"description\":\"How undoing what it did "
     "stands.\",\"properties\":{\"because\":{\"type\":\"string\"},\"state\":{\"type\":\"string\","
     "\"enum\":[\"running\",\"done\",\"incomplete\"]},\"failed\":{\"type\":\"array\",\"items\":{"
     "\"type\":\"string\"}}}},"
     "\"flow\":{\"type\":\"object\",\"description\":\"Its gate, with flow control.\","
     "\"properties\":{\"gate\":" ID_TYPE ",\"name\":{\"type\":\"string\"}}},"
     "\"gathering\":" GATHERING_OR_NULL ","
     "\"cause\":{\"type\":[\"object\",\"null\"],\"description\":\"The event that has started it.\","
     "\"properties\":{\"event_id\":" ID_TYPE
     ",\"type\":{\"type\":\"string\"},\"run_id\":{\"type\":["
     "\"string\",\"null\"]}}},"
     "\"steps\":{\"type\":\"array\",\"items\":{\"$ref\":\"#/"
     "components/schemas/Step\"}},"
     "\"parent\":{\"type\":[\"object\",\"null\"],\"description\":"
     "\"The step of another run that "
     "has "
     "started it.\",\"properties\":{\"run_id\":" ID_TYPE ",\"node\":{\"type\":\"string\"}}},"
     "\"children\":{\"type\":\"array\",\"description\":\"The runs "
     "that its steps have started; "
     "only "
     "where one run is asked "
     "for.\",\"items\":{\"type\":\"object\",\"properties\":{"
     "\"run_id\":" ID_TYPE ",\"node\":{\"type\":\"string\"},\"workflow_id\":" ID_TYPE
     ",\"workflow_name\":{\"type\":\"string\"},\"state\":{\"type\":"
     "\"string\"},"
     "\"waited_for\":{\"type\":\"boolean\"}}}},"
     "\"definition\":{\"$ref\":\"#/components/schemas/"
     "Definition\"}}}"},
    {"Step",
     "{\"type\":\"object\",\"description\":\"One node's execution in a run.\","
     "\"required\":[\"node\",\"type\",\"state\",\"attempts\"],\"properties\":{\"node\":{\"type\":"
     "\"string\"},"
     "\"title\":{\"type\":\"string\"},\"type\":{\"type\":\"string\"},\"state\":{\"type\":"
     "\"string\","
     "\"enum\":[\"idle\",\"running\",\"retrying\",\"waiting\",\"succeeded\",\"failed\",\"skipped\"]"
     "},"
     "\"attempts\":{\"type\":\"integer\"},\"started_at\":" TIME_OR_NULL
     ",\"finished_at\":" TIME_OR_NULL ","
     "\"duration_ms\":{\"type\":[\"number\",\"null\"]},\"output\":{},"
     "\"input\":{\"description\":\"Its settings with their templates answered; only where one run "
     "is asked for.\"},"
     "\"handle\":{\"type\":[\"string\",\"null\"]},\"error\":{\"type\":[\"object\",\"null\"]},"
     "\"retry_at\":" TIME_OR_NULL ",\"due_at\":" TIME_OR_NULL
     ",\"waiting_for\":{\"type\":[\"object\",\"null\"]},"
     "\"items\":{\"type\":\"object\",\"description\":\"How far an iteration or a loop is.\","
     "\"properties\":{\"total\":{\"type\":\"integer\"},\"done\":{\"type\":\"integer\"},"
     "\"running\":{\"type\":\"integer\"},\"failed\":{\"type\":\"integer\"}}},"
     "\"kept\":{\"type\":[\"string\",\"null\"],\"description\":\"It did not run: its result is "
     "that of "
     "the run that is run again (run), or was given (edit, mock).\"}}}"},
    {"RunItems",
     "{\"type\":\"object\",\"description\":\"Items or rounds of a step that have begun.\","
     "\"required\":[\"items\",\"total\",\"next\"],\"properties\":{"
     "\"items\":{\"type\":\"array\",\"items\":{\"type\":\"object\",\"properties\":{"
     "\"index\":{\"type\":\"integer\"},\"scope\":{\"type\":\"string\"},"
     "\"state\":{\"type\":\"string\",\"enum\":[\"running\",\"succeeded\",\"failed\","
     "\"skipped\"]},"
     "\"steps\":{\"type\":\"array\",\"items\":{\"$ref\":\"#/components/schemas/Step\"}}}}},"
     "\"total\":{\"type\":\"integer\"},"
     "\"next\":{\"type\":[\"integer\",\"null\"],\"description\":\"The from of the next page.\"}}}"},
    {"RunList", LIST_OF("Run")},
    {"RunDifference",
     "{\"type\":\"object\",\"description\":\"Where two values differ; long ones are not shown.\","
     "\"required\":[\"path\",\"kind\"],\"properties\":{\"path\":{\"type\":\"string\","
     "\"description\":"
     "\"JSON "
     "Pointer.\"},\"kind\":{\"type\":\"string\",\"enum\":[\"added\",\"removed\",\"changed\"]},"
     "\"left\":{},\"right\":{}}}"},
    {"RunComparison",
     "{\"type\":\"object\",\"description\":\"Two runs beside each other.\",\"required\":[\"left\","
     "\"right\",\"same\",\"steps\"],\"properties\":{\"left\":{\"$ref\":\"#/components/schemas/"
     "Run\"},"
     "\"right\":{\"$ref\":\"#/components/schemas/Run\"},\"same\":{\"type\":\"boolean\"},"
     "\"same_definition\":{\"type\":\"boolean\"},\"whole\":{\"type\":\"boolean\",\"description\":"
     "\"False when there are more differences than are told.\"},"
     "\"input\":{\"type\":\"array\",\"items\":{\"$ref\":\"#/components/schemas/RunDifference\"}},"
     "\"output\":{\"type\":\"array\",\"items\":{\"$ref\":\"#/components/schemas/RunDifference\"}},"
     "\"steps\":{\"type\":\"array\",\"items\":{\"type\":\"object\",\"required\":[\"node\","
     "\"change\"],"
     "\"properties\":{\"node\":{\"type\":\"string\"},\"title\":{\"type\":\"string\"},"
     "\"type\":{\"type\":\"string\"},\"change\":{\"type\":\"string\",\"enum\":[\"same\","
     "\"changed\","
     "\"only_left\",\"only_right\"]},\"left\":{\"type\":[\"object\",\"null\"]},"
     "\"right\":{\"type\":[\"object\",\"null\"]},\"differences\":{\"type\":\"array\",\"items\":{"
     "\"$ref\":\"#/components/schemas/RunDifference\"}}}}}}}"},
    {"Gate",
     "{\"type\":\"object\",\"description\":\"Runs that share the limits of flow control.\","
     "\"required\":[\"id\",\"name\",\"admitted\",\"queued\"],\"properties\":{\"id\":" ID_TYPE
     ",\"name\":{\"type\":\"string\"},\"admitted\":{\"type\":\"integer\"},"
     "\"queued\":{\"type\":\"integer\"},\"concurrency\":{\"type\":[\"integer\",\"null\"]},"
     "\"run_id\":{\"description\":\"The run that starts are gathered for.\",\"type\":[\"string\","
     "\"null\"]},\"gathering\":" GATHERING_OR_NULL "}}"},
    {"GateList", LIST_OF("Gate")},
    {"Poll",
     "{\"type\":\"object\",\"description\":\"How a workflow looks for something "
     "new.\",\"required\":[\"workflow_id\",\"kind\",\"version\",\"state\"],\"properties\":{"
     "\"workflow_id\":" ID_TYPE ",\"workflow_name\":{\"type\":\"string\"},\"kind\":{\"type\":"
     "\"string\",\"enum\":[\"file\",\"s3\"]},\"version\":{\"type\":\"integer\"},\"state\":{"
     "\"type\":\"string\",\"enum\":[\"waiting\",\"looking\",\"trouble\"]},\"first\":{\"type\":"
     "\"boolean\",\"description\":\"It has not seen all that was there at first.\"},\"position\":{"
     "\"type\":[\"string\",\"null\"],\"description\":\"How far a look has come that takes "
     "several turns.\"},\"looked_at\":" TIME_OR_NULL ",\"next_at\":" TIME_OR_NULL
     ",\"failures\":{\"type\":\"integer\",\"description\":\"Looks in a row that went "
     "wrong.\"},\"error\":{\"type\":[\"string\",\"null\"],\"description\":\"What went wrong when "
     "it looked last.\"}}}"},
    {"PollList", LIST_OF("Poll")},
    {"Mailbox",
     "{\"type\":\"object\",\"description\":\"How a workflow that reads mails is doing.\","
     "\"required\":[\"state\",\"version\",\"started\"],\"properties\":{\"state\":{\"type\":"
     "\"string\",\"enum\":[\"connected\",\"connecting\",\"failing\"]},\"version\":{\"type\":"
     "\"integer\"},\"connected_at\":" TIME_OR_NULL ",\"looked_at\":" TIME_OR_NULL
     ",\"mail_at\":{\"description\":\"When a mail last started a run.\",\"type\":[\"string\","
     "\"null\"]},\"started\":{\"type\":\"integer\",\"description\":\"Runs so far.\"},"
     "\"failures\":{\"type\":\"integer\",\"description\":\"Connections that failed in a row.\"},"
     "\"next_at\":{\"description\":\"When it is tried again.\",\"type\":[\"string\",\"null\"]},"
     "\"error\":{\"type\":[\"string\",\"null\"]}}}"},
    {"MailboxTest",
     "{\"type\":\"object\",\"description\":\"What came of a connection to a mail server.\","
     "\"required\":[\"ok\"],\"properties\":{\"ok\":{\"type\":\"boolean\"},\"error\":{\"type\":["
     "\"string\",\"null\"]},\"messages\":{\"type\":[\"integer\",\"null\"],\"description\":\"In "
     "the folder.\"},\"idle\":{\"type\":[\"boolean\",\"null\"],\"description\":\"Whether the "
     "server tells by itself of what comes.\"}}}"},
    {"EventStart",
     "{\"type\":\"object\",\"description\":\"An event at the trigger of a workflow that has not "
     "started "
     "it.\",\"required\":[\"event_id\",\"type\",\"state\"],\"properties\":{\"event_id\":" ID_TYPE
     ",\"type\":{\"type\":\"string\"},\"state\":{\"type\":\"string\",\"enum\":[\"pending\","
     "\"refused\"]},"
     "\"error\":{\"type\":[\"string\",\"null\"]},\"attempts\":{\"type\":\"integer\"},\"next_"
     "at\":" TIME_OR_NULL ",\"created_at\":" TIME_TYPE "}}"},
    {"EventStartList", LIST_OF("EventStart")},
    {"RetentionRules",
     "{\"type\":\"object\",\"description\":\"For each outcome; null: no limit.\",\"properties\":{"
     "\"succeeded\":" RETENTION_RULE ",\"failed\":" RETENTION_RULE ",\"cancelled\":" RETENTION_RULE
     "}}"},
    {"RetentionState",
     "{\"type\":\"object\",\"description\":\"What holds, and what of it was said here.\","
     "\"required\":[\"succeeded\",\"failed\",\"cancelled\"],\"properties\":{"
     "\"succeeded\":" RETENTION_RULE ",\"failed\":" RETENTION_RULE ",\"cancelled\":" RETENTION_RULE
     ",\"tenant\":{\"$ref\":\"#/components/schemas/RetentionRules\"},"
     "\"workflow\":{\"$ref\":\"#/components/schemas/RetentionRules\"}}}"},
    {"Approval",
     "{\"type\":\"object\",\"description\":\"A step that waits, or waited, for people.\","
     "\"required\":[\"id\",\"run_id\",\"workflow_id\",\"node\",\"subject\"],\"properties\":{"
     "\"id\":" ID_TYPE ",\"run_id\":" ID_TYPE ",\"workflow_id\":" ID_TYPE
     ",\"workflow_name\":{\"type\":\"string\"},\"node\":{\"type\":\"string\"},"
     "\"subject\":{\"type\":\"string\"},\"message\":{\"type\":\"string\"},"
     "\"approvers\":{\"type\":\"array\",\"items\":{\"type\":\"string\"}},"
     "\"needed\":{\"type\":\"integer\"},\"form\":{\"type\":[\"object\",\"boolean\",\"null\"]},"
     "\"decisions\":{\"type\":\"array\",\"items\":{\"type\":\"object\"}},"
     "\"created_at\":" TIME_TYPE ",\"due_at\":" TIME_OR_NULL ",\"closed_at\":" TIME_OR_NULL
     ",\"outcome\":{\"type\":[\"string\",\"null\"]},"
     "\"mails\":{\"type\":\"array\",\"description\":\"Of one alone: what became of the links "
     "that were sent.\",\"items\":{\"type\":\"object\",\"required\":[\"to\",\"state\"],"
     "\"properties\":{\"to\":{\"type\":\"string\"},\"state\":{\"type\":\"string\",\"enum\":["
     "\"pending\",\"sent\",\"dead\",\"needless\"]},\"attempts\":{\"type\":\"integer\"},"
     "\"error\":{\"type\":[\"string\",\"null\"]},\"next_at\":" TIME_OR_NULL
     ",\"finished_at\":" TIME_OR_NULL "}}}}}"},
    {"ApprovalList", LIST_OF("Approval")},
    {"ApprovalLinks",
     "{\"type\":\"object\",\"description\":\"A link for each approver.\",\"required\":["
     "\"items\"],\"properties\":{\"items\":{\"type\":\"array\",\"items\":{\"type\":"
     "\"object\",\"required\":[\"approver\",\"url\"],\"properties\":{\"approver\":{\"type\":"
     "\"string\"},\"url\":{\"type\":\"string\"}}}}}}"},
    {"Decided",
     "{\"type\":\"object\",\"description\":\"What became of a decision.\","
     "\"required\":[\"recorded\"],\"properties\":{\"recorded\":{\"type\":\"boolean\","
     "\"description\":\"false: the caller decided before, or it is too late.\"},"
     "\"decision\":{\"type\":[\"string\",\"null\"],\"description\":\"What the caller has "
     "decided.\"},"
     "\"outcome\":{\"type\":[\"string\",\"null\"],\"description\":\"How it ended, if it has."
     "\"}}}"},
    {"Subscription",
     "{\"type\":\"object\",\"description\":\"Who is told of what.\",\"required\":[\"id\",\"url\","
     "\"events\",\"enabled\",\"revision\"],\"properties\":{\"id\":" ID_TYPE
     ",\"url\":{\"type\":\"string\"},\"events\":{\"type\":\"array\",\"items\":{\"type\":"
     "\"string\"}},\"workflow_id\":{\"type\":[\"string\",\"null\"]},"
     "\"description\":{\"type\":\"string\"},\"max_attempts\":{\"type\":\"integer\"},"
     "\"enabled\":{\"type\":\"boolean\"},\"disabled_why\":{\"type\":[\"string\",\"null\"],"
     "\"description\":\"Why the server disabled it.\"},"
     "\"secret\":{\"type\":\"string\",\"description\":\"Only when it was made or rotated.\"},"
     "\"revision\":{\"type\":\"integer\"},\"created_at\":" TIME_TYPE ",\"updated_at\":" TIME_TYPE
     "}}"},
    {"SubscriptionList", LIST_OF("Subscription")},
    {"Delivery",
     "{\"type\":\"object\",\"description\":\"Something that a subscriber is told.\","
     "\"required\":[\"id\",\"event\",\"state\",\"attempts\"],\"properties\":{\"id\":" ID_TYPE
     ",\"event\":{\"type\":\"string\"},\"run_id\":{\"type\":[\"string\",\"null\"]},"
     "\"state\":{\"type\":\"string\",\"enum\":[\"pending\",\"delivered\",\"dead\"]},"
     "\"attempts\":{\"type\":\"integer\"},\"status\":{\"type\":[\"integer\",\"null\"]},"
     "\"error\":{\"type\":[\"string\",\"null\"]},\"next_at\":" TIME_OR_NULL
     ",\"created_at\":" TIME_TYPE ",\"finished_at\":" TIME_OR_NULL
     ",\"body\":{\"description\":\"Only where one is asked for.\"}}}"},
    {"DeliveryList", LIST_OF("Delivery")},
    {"SentEvent",
     "{\"type\":\"object\",\"description\":\"What became of an event.\","
     "\"required\":[\"id\",\"delivered\",\"duplicate\"],\"properties\":{\"id\":" ID_TYPE
     ",\"delivered\":{\"type\":\"integer\",\"description\":\"How many steps waited for it.\"},"
     "\"duplicate\":{\"type\":\"boolean\"}}}"},
    {"Key", "{\"type\":\"object\",\"description\":\"An API key, without its "
            "value.\",\"properties\":{\"id\":" ID_TYPE ","
            "\"user\":" ID_OR_NULL ",\"team\":" ID_OR_NULL ","
            "\"name\":{\"type\":\"string\"},\"prefix\":{\"type\":\"string\"},\"capabilities\":{"
            "\"type\":\"string\"},"
            "\"created_at\":" TIME_TYPE ",\"expires_at\":" TIME_OR_NULL
            ",\"revoked_at\":" TIME_OR_NULL "}}"},
    {"KeyList", LIST_OF("Key")},
    {"Team", "{\"type\":\"object\",\"description\":\"A team that keys and users are of.\","
             "\"required\":[\"id\",\"name\"],\"properties\":{\"id\":" ID_TYPE
             ",\"name\":{\"type\":\"string\"},\"created_at\":" TIME_TYPE "}}"},
    {"TeamList", LIST_OF("Team")},
    {"User",
     "{\"type\":\"object\",\"description\":\"A user that keys are of.\","
     "\"required\":[\"id\",\"name\"],\"properties\":{\"id\":" ID_TYPE
     ",\"name\":{\"type\":\"string\"},\"team\":" ID_OR_NULL ",\"created_at\":" TIME_TYPE "}}"},
    {"UserList", LIST_OF("User")},
    {"CreatedKey",
     "{\"type\":\"object\",\"description\":\"A new key; its value is shown this once.\","
     "\"required\":[\"id\",\"key\"],\"properties\":{\"id\":" ID_TYPE
     ",\"key\":{\"type\":\"string\"}}}"},
    {"ModelCall",
     "{\"type\":\"object\",\"description\":\"A call as OpenAI's API or Anthropic's takes it; every "
     "member goes on to the provider.\",\"required\":[\"model\"],\"properties\":{"
     "\"model\":{\"type\":\"string\",\"description\":\"provider/model, or the model's bare "
     "name.\"},"
     "\"stream\":{\"type\":\"boolean\"}}}"},
    {"ModelForm",
     "{\"type\":\"object\",\"description\":\"A form of OpenAI's API; every field goes on to the "
     "provider.\",\"required\":[\"model\"],\"properties\":{"
     "\"model\":{\"type\":\"string\",\"description\":\"provider/model, or the model's bare "
     "name.\"}}}"},
    {"MessagesError",
     "{\"type\":\"object\",\"description\":\"What went wrong, as Anthropic's API says it.\","
     "\"required\":[\"type\",\"error\"],\"properties\":{\"type\":{\"const\":\"error\"},"
     "\"error\":{\"type\":\"object\",\"properties\":{\"type\":{\"type\":\"string\"},"
     "\"message\":{\"type\":\"string\"}}}}}"},
    {"ModelError",
     "{\"type\":\"object\",\"description\":\"What went wrong, as OpenAI's API says it.\","
     "\"required\":[\"error\"],\"properties\":{\"error\":{\"type\":\"object\",\"properties\":{"
     "\"message\":{\"type\":\"string\"},\"type\":{\"type\":\"string\"},"
     "\"param\":{\"type\":[\"string\",\"null\"]},\"code\":{\"type\":[\"string\",\"null\"]}}}}}"},
    {"Model",
     "{\"type\":\"object\",\"description\":\"A model, as OpenAI's API shows it.\",\"properties\":{"
     "\"id\":{\"type\":\"string\"},\"object\":{\"type\":\"string\"},\"created\":{\"type\":"
     "\"integer\"},"
     "\"owned_by\":{\"type\":\"string\"}}}"},
    {"GeminiModel", "{\"type\":\"object\",\"description\":\"A model.\",\"properties\":{\"name\":{"
                    "\"type\":\"string\",\"description\":\"models/ and its name.\"},"
                    "\"displayName\":{\"type\":\"string\"},\"supportedGenerationMethods\":{"
                    "\"type\":\"array\",\"items\":{\"type\":\"string\"}}}}"},
    {"GeminiModelList",
     "{\"type\":\"object\",\"description\":\"The models there are.\",\"properties\":{"
     "\"models\":{\"type\":\"array\",\"items\":{\"$ref\":\"#/components/"
     "schemas/GeminiModel\"}}}}"},
    {"ModelList", "{\"type\":\"object\",\"description\":\"The models there are.\",\"properties\":{"
                  "\"object\":{\"type\":\"string\"},\"data\":{\"type\":\"array\",\"items\":{\"$"
                  "ref\":\"#/components/"
                  "schemas/Model\"}}}}"},
    {"ModelRoute",
     "{\"type\":\"object\",\"description\":\"A route of the model gateway.\",\"required\":[\"id\","
     "\"name\",\"targets\"],\"properties\":{\"id\":" ID_TYPE ",\"name\":{\"type\":\"string\"},"
     "\"targets\":{\"type\":\"array\",\"items\":{\"type\":\"object\",\"properties\":{"
     "\"provider\":{\"type\":\"string\"},\"model\":{\"type\":\"string\"},\"state\":{\"type\":"
     "\"string\","
     "\"enum\":[\"well\",\"failing\",\"resting\",\"probing\",\"down\",\"off\",\"missing\"]},"
     "\"weight\":{\"type\":\"integer\"},\"max_concurrent\":{\"type\":[\"integer\",\"null\"]},"
     "\"under_way\":{\"type\":\"integer\"},\"waiting\":{\"type\":\"integer\"},"
     "\"latency_ms\":{\"type\":[\"number\",\"null\"],\"description\":\"To the first byte.\"}}}},"
     "\"balance\":{\"type\":\"string\"},\"context\":{\"type\":[\"string\",\"null\"]},\"sticky\":{"
     "\"type\":[\"string\",\"null\"]},"
     "\"attempts\":{\"type\":\"integer\"},\"timeout\":{\"type\":[\"string\",\"null\"]},"
     "\"cache\":" CACHE_TYPE ",\"hedge\":" HEDGE_TYPE
     ",\"revision\":{\"type\":\"integer\"},\"created_at\":" TIME_TYPE ",\"updated_at\":" TIME_TYPE
     "}}"},
    {"ModelLimitsState",
     "{\"type\":\"object\",\"description\":\"What a key or the tenant may use of models, and how "
     "much "
     "it did.\",\"required\":[\"limits\",\"models\",\"endpoints\",\"counters\"],"
     "\"properties\":{" LIMITS_PROPERTIES ",\"counters\":{\"type\":\"array\",\"items\":{"
     "\"type\":\"object\",\"required\":[\"what\",\"per\",\"max\",\"used\"],\"properties\":{"
     "\"what\":{\"type\":\"string\"},\"per\":{\"type\":\"string\"},\"max\":{\"type\":\"integer\"},"
     "\"used\":{\"type\":\"integer\"},\"reserved\":{\"type\":\"integer\",\"description\":\"By "
     "calls "
     "under way on this server.\"},\"resets_at\":" TIME_TYPE "}}}}}"},
    {"ModelRouteList", LIST_OF("ModelRoute")},
    {"Guard",
     "{\"type\":\"object\",\"description\":\"A service that looks at what is said to models and by "
     "them.\",\"required\":[\"id\",\"name\",\"url\",\"events\",\"enabled\",\"revision\"],"
     "\"properties\":{\"id\":" ID_TYPE
     ",\"name\":{\"type\":\"string\"},\"url\":{\"type\":\"string\"},\"events\":{\"type\":\"array\","
     "\"items\":{\"type\":\"string\"}},\"routes\":{\"type\":\"array\",\"items\":{\"type\":"
     "\"string\"}},\"keys\":{\"type\":\"array\",\"items\":{\"type\":\"string\"}},\"except_keys\":{"
     "\"type\":\"array\",\"items\":{\"type\":\"string\"}},\"timeout\":{\"type\":\"string\"},\"on_"
     "error\":{\"type\":\"string\"},\"window\":{\"type\":\"integer\"},\"hold_back\":{\"type\":"
     "\"integer\"},\"private_network\":{\"type\":\"boolean\"},\"enabled\":{\"type\":\"boolean\"},"
     "\"secret_opens\":{\"type\":\"boolean\",\"description\":\"False when it was sealed with "
     "another master key.\"},\"secret\":{\"type\":\"string\",\"description\":\"Shown once, when it "
     "is made.\"},\"revision\":{\"type\":\"integer\"},\"created_at\":" TIME_TYPE
     ",\"updated_at\":" TIME_TYPE "}}"},
    {"GuardList", LIST_OF("Guard")},
    {"GuardTest",
     "{\"type\":\"object\",\"description\":\"Whether a guard "
     "answers.\",\"required\":[\"ok\",\"latency_ms\"],\"properties\":{\"ok\":{\"type\":\"boolean\"}"
     ",\"latency_ms\":{\"type\":\"number\"},\"verdict\":{\"type\":[\"string\",\"null\"]},\"error\":"
     "{\"type\":[\"object\",\"null\"],\"properties\":{\"code\":{\"type\":\"string\"},\"message\":{"
     "\"type\":\"string\"}}}}}"},
    {"ModelCache",
     "{\"type\":\"object\",\"description\":\"Answers that are kept for the tenant.\",\"required\":["
     "\"answers\",\"bytes\",\"max_bytes\"],\"properties\":{\"answers\":{\"type\":\"integer\"},"
     "\"bytes\":{\"type\":\"integer\"},\"max_bytes\":{\"type\":\"integer\",\"description\":\"Of "
     "all tenants together.\"}}}"},
    {"ModelCachePurge", "{\"type\":\"object\",\"required\":[\"purged\"],\"properties\":{\"purged\":"
                        "{\"type\":\"integer\","
                        "\"description\":\"Answers that this server kept.\"}}}"},
    {"Prompt",
     "{\"type\":\"object\",\"description\":\"A prompt, without its versions.\",\"requi"
     "red\":[\"id\",\"name\",\"labels\",\"latest\"],\"properties\":{\"id\":" ID_TYPE
     ",\"name\":{\"type\":\"string\"},\"description\":{\"type\":\"string\"},\"labels\""
     ":{\"type\":\"object\",\"additionalProperties\":{\"type\":\"integer\"}},\"latest"
     "\":{\"type\":\"integer\"},\"revision\":{\"type\":\"integer\"},\"created_at\":" TIME_TYPE
     ",\"updated_at\":" TIME_TYPE "}}"},
    {"PromptList", LIST_OF("Prompt")},
    {"PromptVersion",
     "{\"type\":\"object\",\"description\":\"A version of a prompt.\",\"required\":[\""
     "version\",\"variables\"],\"properties\":{\"version\":{\"type\":\"integer\"},\"no"
     "te\":{\"type\":\"string\"},\"created_by\":{\"type\":\"string\"},\"created_at\":" TIME_TYPE
     ",\"variables\":{\"type\":\"array\",\"items\":{\"type\":\"string\"}},\"required\""
     ":{\"type\":\"array\",\"items\":{\"type\":\"string\"},\"description\":\"Variables"
     " that have no default.\"},\"prompt\":" PROMPT_TYPE "}}"},
    {"PromptVersionList", LIST_OF("PromptVersion")},
    {"PromptDiff",
     "{\"type\":\"object\",\"description\":\"What is different between two versions.\""
     ",\"required\":[\"from\",\"to\",\"changes\"],\"properties\":{\"from\":{\"type\":"
     "\"integer\"},\"to\":{\"type\":\"integer\"},\"changes\":{\"type\":\"array\",\"ite"
     "ms\":{\"type\":\"object\",\"required\":[\"path\"],\"properties\":{\"path\":{\"ty"
     "pe\":\"string\"},\"from\":{},\"to\":{}}}}}}"},
    {"RenderedPrompt",
     "{\"type\":\"object\",\"required\":[\"version\",\"model\",\"messages\"],\"propert"
     "ies\":{\"version\":{\"type\":\"integer\"},\"model\":{\"type\":\"string\"},\"mess"
     "ages\":{\"type\":\"array\",\"items\":{\"type\":\"object\"}},\"parameters\":{\"ty"
     "pe\":\"object\"}}}"},
    {"PriceEntry",
     "{\"type\":\"object\",\"description\":\"What a model costs.\",\"required\":[\"id\","
     "\"provider\",\"model\",\"origin\",\"price\"],\"properties\":{\"id\":" ID_TYPE
     ",\"provider\":{\"type\":\"string\"},\"model\":{\"type\":\"string\"},"
     "\"origin\":{\"type\":\"string\",\"enum\":[\"own\",\"import\"]},"
     "\"price\":" PRICE_TYPE ",\"updated_at\":" TIME_TYPE "}}"},
    {"PriceList", LIST_OF("PriceEntry")},
    {"PriceImport",
     "{\"type\":\"object\",\"description\":\"What became of the entries of a list of prices.\","
     "\"required\":[\"imported\",\"skipped\"],\"properties\":{"
     "\"imported\":{\"type\":\"integer\"},"
     "\"skipped\":{\"type\":\"integer\",\"description\":\"Without a price, or with one "
     "that is not understood.\"}}}"},
    {"TokenCount",
     "{\"type\":\"object\",\"required\":[\"tokens\",\"exact\",\"method\",\"provider\",\"model\","
     "\"context_window\",\"max_output\"],\"properties\":{\"tokens\":{\"type\":\"integer\"},"
     "\"exact\":{\"type\":\"boolean\",\"description\":\"Else it is about so many.\"},"
     "\"method\":{\"type\":\"string\",\"description\":\"The vocabulary they were counted by, or "
     "estimate.\"},\"provider\":{\"type\":\"string\"},\"model\":{\"type\":\"string\","
     "\"description\":"
     "\"The provider's own name for it.\"},"
     "\"context_window\":{\"type\":[\"integer\",\"null\"],\"description\":\"Tokens of a request, "
     "from the table of prices.\"},\"max_output\":{\"type\":[\"integer\",\"null\"]}}}"},
    {"Usage",
     "{\"type\":\"object\",\"description\":\"What a group of model calls used; times are means.\","
     "\"required\":[\"group\",\"calls\"],\"properties\":{\"group\":{\"type\":\"string\"},"
     "\"time\":" TIME_TYPE ",\"cost_micros\":{\"type\":\"integer\",\"description\":\"In millionths "
     "of a US dollar.\"},\"unpriced_calls\":{\"type\":\"integer\"},"
     "\"calls\":{\"type\":\"integer\"},\"failed\":{\"type\":\"integer\"},"
     "\"prompt_tokens\":{\"type\":\"integer\"},\"cached_tokens\":{\"type\":\"integer\"},"
     "\"completion_tokens\":{\"type\":\"integer\"},\"reasoning_tokens\":{\"type\":\"integer\"},"
     "\"estimated_calls\":{\"type\":\"integer\"},\"from_cache\":{\"type\":\"integer\","
     "\"description\":\"Calls that were answered by what was kept.\"},\"saved_micros\":{\"type\":"
     "\"integer\",\"description\":\"What they would have "
     "cost.\"},\"overhead_us\":{\"type\":\"integer\"},"
     "\"first_byte_ms\":{\"type\":\"number\"},\"total_ms\":{\"type\":\"number\"},"
     "\"tokens_per_second\":{\"type\":[\"number\",\"null\"]}}}"},
    {"UsageList", LIST_OF("Usage")},
    {"ModelCallRecord",
     "{\"type\":\"object\",\"description\":\"A call of a model.\",\"required\":[\"id\",\"time\","
     "\"model\",\"outcome\",\"status\"],\"properties\":{" CALL_PROPERTIES "}}"},
    {"ModelCallList", LIST_OF("ModelCallRecord")},
    {"ModelCallDetail",
     "{\"type\":\"object\",\"description\":\"A call of a model, and what was said.\",\"required\":["
     "\"id\",\"time\",\"model\",\"outcome\",\"status\",\"logged\"],\"properties\":{" CALL_PROPERTIES
     ",\"logged\":{\"type\":\"boolean\",\"description\":\"What was said is kept.\"},\"request\":{"
     "\"description\":\"Without credentials and what patterns name; null if it is not kept, or not "
     "for you.\"},\"answer\":{\"description\":\"Likewise; of a stream, the message it made.\"}}}"},
    {"Provider",
     "{\"type\":\"object\",\"description\":\"A model provider, without its credential.\","
     "\"required\":[\"id\",\"name\",\"kind\",\"base_url\",\"enabled\",\"origin\"],\"properties\":{"
     "\"id\":" ID_TYPE ",\"name\":{\"type\":\"string\"},\"kind\":{\"type\":\"string\"},"
     "\"api_version\":{\"type\":[\"string\",\"null\"]},"
     "\"base_url\":{\"type\":\"string\"},\"has_credential\":{\"type\":\"boolean\"},"
     "\"credential_opens\":{\"type\":\"boolean\",\"description\":\"False when it was sealed with "
     "another master key.\"},"
     "\"private_network\":{\"type\":\"boolean\"},\"enabled\":{\"type\":\"boolean\"},"
     "\"timeout\":{\"type\":\"string\"},"
     "\"origin\":{\"type\":\"string\",\"enum\":[\"store\",\"environment\"]},"
     "\"revision\":{\"type\":\"integer\"},\"created_at\":" TIME_OR_NULL
     ",\"updated_at\":" TIME_OR_NULL ",\"probe\":" PROBE_TYPE ",\"health\":" HEALTH_TYPE "}}"},
    {"ProviderOffer",
     "{\"type\":\"object\",\"description\":\"A model server that answers on this machine and is no "
     "provider "
     "yet.\",\"required\":[\"kind\",\"title\",\"base_url\"],\"properties\":{\"kind\":{\"type\":"
     "\"string\"},\"title\":{\"type\":\"string\"},\"base_url\":{\"type\":\"string\"}}}"},
    {"ProviderOfferList", LIST_OF("ProviderOffer")},
    {"ProviderList", LIST_OF("Provider")},
    {"ProviderKind",
     "{\"type\":\"object\",\"description\":\"A kind of model providers.\",\"properties\":{"
     "\"name\":{\"type\":\"string\"},\"title\":{\"type\":\"string\"},"
     "\"base_url\":{\"type\":[\"string\",\"null\"]},\"private_network\":{\"type\":\"boolean\"},"
     "\"needs_credential\":{\"type\":\"boolean\"}}}"},
    {"ProviderKindList", LIST_OF("ProviderKind")},
    {"ProviderTest",
     "{\"type\":\"object\",\"description\":\"How a provider answered.\",\"required\":[\"ok\"],"
     "\"properties\":{\"ok\":{\"type\":\"boolean\"},\"latency_ms\":{\"type\":\"number\"},"
     "\"models\":{\"type\":\"integer\"},\"error\":{\"type\":[\"object\",\"null\"],\"properties\":{"
     "\"code\":{\"type\":\"string\"},\"message\":{\"type\":\"string\"}}}}}"},
    {"ModelName", "{\"type\":\"object\",\"description\":\"A model of a provider.\",\"properties\":{"
                  "\"name\":{\"type\":\"string\"}}}"},
    {"ModelNameList", LIST_OF("ModelName")},
    {"Me", "{\"type\":\"object\",\"description\":\"Who the caller "
           "is.\",\"properties\":{\"name\":{\"type\":\"string\"},"
           "\"kind\":{\"type\":\"string\"},\"capabilities\":{\"type\":\"array\",\"items\":{"
           "\"type\":\"string\"}},"
           "\"tenant\":" ID_TYPE ",\"version\":{\"type\":\"string\"}}}"},
    {"Health",
     "{\"type\":\"object\",\"description\":\"How the server is.\",\"required\":[\"status\"],"
     "\"properties\":{\"status\":{\"type\":\"string\"},\"reason\":{\"type\":\"string\"},"
     "\"version\":{\"type\":\"string\"}}}"},
    {0},
};
