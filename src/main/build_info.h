/* src/main/build_info.h - what exactly was built; the build writes the values
 * (cmake/build_info.cmake). */
#ifndef MAIN_BUILD_INFO_H
#define MAIN_BUILD_INFO_H

extern const char build_commit[]; /* "4f2a91c03bde", with "-dirty" behind it if files differed */
extern const char build_type[];   /* "Release", "RelWithDebInfo", "Debug", "address", "thread" */

#endif
