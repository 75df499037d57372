/* src/main/inner_door.h - the model gateway for the workflows of this server itself.
 *
 * A second HTTP server on a free port of the loopback interface, which knows the model calls and
 * nothing else and takes one key, that of this process: it is made at the start, kept in memory and
 * given to the engine alone. So a step of a workflow goes the way of every other call: limits,
 * routes, cache, guards, log. It is open before the engine takes up its first run and closed after
 * the engine has put down its last, whatever the server that others see is doing.
 */
#ifndef MAIN_INNER_DOOR_H
#define MAIN_INNER_DOOR_H

#include "api/api.h"

struct inner_door;

/* Listen, for @api with its gateway. */
Err inner_door_new(struct api *api, struct inner_door **ret_door) YIELDS;
/* What the engine needs of it; borrowed from @door. */
struct wf_gateway inner_door_gateway(const struct inner_door *door);
/* Let calls under way end within @grace, close. The engine is drained. NULL: nothing. */
void inner_door_free(struct inner_door *door, Usec grace) YIELDS;

#endif
