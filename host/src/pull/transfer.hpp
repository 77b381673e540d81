// The bytes of one file, over several connections.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "pull/hub_client.hpp"
#include "pull/part_file.hpp"

namespace hn::pull {

struct TransferOptions {
  int connections = 4;
  std::uint64_t part_bytes = std::uint64_t{64} << 20;  // files above it come in parts
};

struct Source {
  std::string repo, name, url;
  // A client of its own for each connection; cancelled is asked by each.
  std::function<std::unique_ptr<HubClient>(std::function<bool()> cancelled)> open_client;
};

// The server's copy is not the one that the part file belongs to (another size, 416): what is there
// is of no use.
struct Stale {
  std::string what;
};
// The server sends whole files only.
struct NoRanges {};

// Fetches what is missing. on_tick is called a few times a second in the calling thread and may
// throw to stop: everything so far is kept, and the note is written. Throws the first error of any
// connection, Stale and NoRanges.
void transfer(const Source& source, PartFile& file, const TransferOptions& options,
              const std::function<void()>& on_tick);

}  // namespace hn::pull
