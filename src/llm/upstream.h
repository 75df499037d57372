/* src/llm/upstream.h - how a provider is called: addresses and headers, by its dialect. */
#ifndef LLM_UPSTREAM_H
#define LLM_UPSTREAM_H

#include "llm/llm.h"
#include "net/http.h"

/* The address for a call of @op. E_BAD_INPUT with a detail if the provider has no such calls. */
Err llm_upstream_url(struct arena *a, const struct llm_provider *p, enum llm_op op, Str model,
                     bool stream, Str *ret_url);
/* That of a response it made; @path begins with a slash, @query is as the client sent it. */
Str llm_upstream_response_url(struct arena *a, const struct llm_provider *p, Str path, Str query);
/* That of the list of its models. */
Str llm_upstream_models_url(struct arena *a, const struct llm_provider *p);
/* The credential, and what the dialect wants beside it, unless @headers have it. */
void llm_upstream_headers(struct arena *a, const struct llm_provider *p, HttpHeaders *headers);

#endif
