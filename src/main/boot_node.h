/* src/main/boot_node.h - who this server is among those on one database, and who it was before. */
#ifndef MAIN_BOOT_NODE_H
#define MAIN_BOOT_NODE_H

#include "base/id.h"

/* The id in the file "node" of @folder, or ID_NONE. Only for who holds the folder's lock: then the
 * process that wrote it is gone. Blocks. */
Id boot_node_former(const char *folder);
/* Write @id there, once the node is on the list and the former is off it. Blocks. */
Err boot_node_write(const char *folder, Id id);

#endif
