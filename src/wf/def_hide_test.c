/* src/wf/def_hide_test.c - what callers who may not change a workflow see of it. */
#include "wf/test_node.h"

TEST(definition_shows_no_secrets_to_those_who_may_not_change_it)
{
    const struct json *whole = t_json(
        "{'variables':[{'name':'notify_secret','value':'whsec_QUJD'},{'name':'city','value':'Ulm'}]"
        ","
        "'nodes':[{'id':'t','type':'trigger','data':{'webhook':{'auth':'bearer','secret':'QUJD'}}},"
        "{'id':'m','type':'llm','data':{'api_key':'sk-QUJD','model':'m','max_tokens':5}},"
        "{'id':'a','type':'api-call','data':{'auth':{'type':'header','header':'X-A','value':'QUJD'}"
        ","
        "'headers':{'X-Api-Key':'QUJD','Subscription-Key':'QUJD','Accept':'text/plain'}}},"
        "{'id':'w','type':'webhook','data':{'secret':'{{ vars.notify_secret }}'}},"
        "{'id':'x','type':'webhook','data':{'secret':'{{ \\'QUJD\\' }}'}}]}");
    Str before = json_text(t_arena(), whole);
    struct json *shown = wf_def_hide_secrets(t_arena(), whole);
    Str text = json_text(t_arena(), shown);

    t_expect(str_find(text, S("QUJD")) == SIZE_MAX);
    t_expect(str_find(text, S("{{ vars.notify_secret }}")) != SIZE_MAX);
    t_expect(str_find(text, S("Ulm")) != SIZE_MAX);
    t_expect(str_find(text, S("text/plain")) != SIZE_MAX);
    t_expect_str(json_text(t_arena(), whole), before);
}
