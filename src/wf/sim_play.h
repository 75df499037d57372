/* src/wf/sim_play.h - the player that plays a user's workflow in a simulated world (sim.h): node
 * types compute what they compute, and what would come from outside is made up. */
#ifndef WF_SIM_PLAY_H
#define WF_SIM_PLAY_H

#include "wf/sim.h"
#include "wf/simulate.h"

struct sim_play {
    const struct wf_simulate *what;
    struct wf_env env;
    const struct json *kept;  /* mocks of steps that do not run at all */
    const struct json **mock; /* by node: what a call gives; NULL: a placeholder */
};

/* Read the mocks of @what, in @a. E_INVALID. */
Err sim_play_init(struct arena *a, const struct wf_simulate *what, struct sim_play *ret_play);
extern const struct sim_player sim_play_player; /* its ctx is a struct sim_play */
/* Faults as often as @fail says. */
struct sim_rates sim_play_rates(double fail);

#endif
