/* src/rt/notify.h - telling the service manager how the process is (the sd_notify protocol).
 *
 * Datagrams to the socket that NOTIFY_SOCKET names; without it nothing is sent. A message that does
 * not get through is not repeated, except by the next of its kind. Any thread; never blocks.
 */
#ifndef RT_NOTIFY_H
#define RT_NOTIFY_H

#include "base/time.h"

/* Whether a service manager listens. */
bool notify_is_on(void);
/* Started, and after a reload: serving. @status is one line for people. */
void notify_ready(Str status);
void notify_reloading(void);
void notify_stopping(Str status);
/* Still alive; to be called at least every notify_watchdog_span(). */
void notify_watchdog(void);
/* Half of what the service manager allows between two signs of life; 0: it does not watch. */
Usec notify_watchdog_span(void);

#endif
