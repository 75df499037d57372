/* src/api/api_simulate.c - how a workflow behaves under faults, by simulation. */
#include "api/api.h"
#include "rt/work.h"
#include "store/store_workflow.h"
#include "wf/simulate.h"

#include <stdatomic.h>

/* It computes on a worker, for so long at most, and few do at once: others have work for them too.
 */
enum { SEEDS = 200, AT_ONCE = 2, REPORT_MEMORY = 256 << 20 };
static const Usec BUDGET = 2 * USEC_S;

struct job {
    struct wf_simulate what;
    struct arena *a;
    struct json *report;
};

static Err work(void *arg)
{
    struct job *job = arg;
    return wf_simulate(job->a, &job->what, &job->report);
}

static Err run_job(struct job *job)
{
    static atomic_int under_way;
    Err e = E_OVERLOADED;

    if (atomic_fetch_add(&under_way, 1) < AT_ONCE)
        e = work_run(work, job);
    else
        e = err_detail(e, "%d simulations are under way already: try again in a moment.", AT_ONCE);
    atomic_fetch_sub(&under_way, 1);
    return e;
}

static Err simulate(struct req *req, struct res *res)
{
    AUTO(wf_def) *def = NULL;
    AUTO(arena) *a = arena_new(REPORT_MEMORY);
    struct workflow_row row;
    struct json *body;
    int version = 0;
    Id id;

    TRY(req_id(req, "id", &id));
    TRY(req_json(req, &body));
    TRY(store_workflow_get(api_of(req)->db, req->a, req->who.tenant, id, &row));
    TRY(api_target_of(req, &row, json_str_of(json_at(body, "version"), S("draft")), &def,
                      &version));
    struct job job = {.a = a,
                      .what = {.def = def,
                               .input = json_at(body, "input"),
                               .mocks = json_at(body, "mocks"),
                               .first = (uint64_t)json_int_of(json_at(body, "first_seed"), 1),
                               .seeds = (uint64_t)json_int_of(json_at(body, "seeds"), SEEDS),
                               .fail = json_double_of(json_at(body, "fail"), 0.1),
                               .traced = json_bool_of(json_at(body, "trace"), false),
                               .budget = BUDGET,
                               .max_output = MIB(8)}};
    TRY(run_job(&job));
    return res_json(res, 200, job.report);
}

const struct route api_simulate_routes[] = {
    {HTTP_POST, "/api/workflows/:id/simulate", simulate, "run.start", .rate = RATE_RUN,
     .max_body = MIB(1), .in_schema = "Simulate", .out_schema = "Simulation",
     .summary = "Simulate runs of a workflow under faults"},
    {0},
};
