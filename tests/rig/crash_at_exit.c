/* crash_at_exit.c: preloaded into the real binary, a handler for the end of a process that crashes, as those of video
 * and model libraries do while their threads still work.
 *
 * The tests build it with `cc -shared -fPIC`. */
#include <stdlib.h>

__attribute__((destructor)) static void end(void) { abort(); }
