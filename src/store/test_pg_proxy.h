/* src/store/test_pg_proxy.h - a bad network in front of the test's PostgreSQL server. */
#ifndef STORE_TEST_PG_PROXY_H
#define STORE_TEST_PG_PROXY_H

#include "base/str.h"

/* One proxy at a time: forwards from a loopback port to the server of HEDDLE_TEST_PG, on a thread
 * of its own. */
bool t_proxy_start(void);
void t_proxy_stop(void);
/* @url (of t_pg_fresh) by way of the proxy; in t_arena(). */
const char *t_proxy_url(const char *url);

/* How many more pieces of the server's answers are passed on; -1: all. What follows is swallowed.
 */
void t_proxy_pass_replies(int pieces);
/* Forward nothing in either direction, connections stay open. */
void t_proxy_hang(bool on);
/* Close every connection; with @refuse also those to come. */
void t_proxy_cut(bool refuse);
/* Connections accepted so far. */
int t_proxy_accepted(void);

#endif
