// The door of the helper program (host/helper): not a part of hnhost.h.
#pragma once

#include <hn/abi.h>

// hnhost_helper VERB ...: "suite" and "measure" serve the process that started it, over a socket;
// "manifest" is the build's (loader/finish_manifest.hpp). Returns the exit code.
extern "C" HN_EXPORT int hnhost_helper_main(int argc, char** argv);
