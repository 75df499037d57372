/* src/llm/log_rule.h - of which calls it is kept what was said. Pure. */
#ifndef LLM_LOG_RULE_H
#define LLM_LOG_RULE_H

#include "llm/redact.h"

struct llm_log_rule {
    bool given;  /* something is said; else what stands behind it counts */
    double rate; /* the part of calls, 0 to 1 */
    LlmPatterns redact;
};

/* {"rate": 0.1, "redact": ["..."]}, of which rate is needed; null or absent: nothing is said.
 * E_INVALID names what is wrong. Borrows @v. */
Err llm_log_rule_read(struct arena *a, const struct json *v, struct llm_log_rule *ret_rule);
/* NULL if nothing is said. */
struct json *llm_log_rule_json(struct arena *a, const struct llm_log_rule *rule);

#endif
