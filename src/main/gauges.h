/* src/main/gauges.h - what is read off when /metrics is rendered: the process and the store. */
#ifndef MAIN_GAUGES_H
#define MAIN_GAUGES_H

#include "store/db.h"

/* Show @db and this process in the metrics until gauges_stop. Any shard. */
void gauges_start(const struct db *db);
void gauges_stop(void);

#endif
