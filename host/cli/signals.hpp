// Ctrl-C in the executable; the library never touches signals.
#pragma once

namespace hn::cli {

// SIGINT and SIGTERM ask for a clean stop from here on; a second one ends the process at once.
void catch_signals();
bool stop_requested();

}  // namespace hn::cli
