// Lines from stdin, for as long as nobody asks to stop.
#pragma once

#include <string>

namespace hn::cli {

class StdinLines {
 public:
  // The next line without its end; false at the end of the input, or once a signal asked to stop
  // (signals.hpp), which also ends the wait for a line. Errors: HN_DATA_LOSS with the system's
  // reason.
  bool next(std::string& line);

 private:
  bool fill();

  std::string buffer_;
  std::size_t at_ = 0;
  bool ended_ = false;
};

}  // namespace hn::cli
