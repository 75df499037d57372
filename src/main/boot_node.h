/* src/main/boot_node.h - who this server is among those on one database, and who it was before. */
#ifndef MAIN_BOOT_NODE_H
#define MAIN_BOOT_NODE_H

#include "base/id.h"

/* Write @id into the file "node" of @folder and give the id that was there, or ID_NONE. Only for
 * who holds the folder's lock: then the process that wrote it is gone. Blocks. */
Err boot_node_change(const char *folder, Id id, Id *ret_former);

#endif
