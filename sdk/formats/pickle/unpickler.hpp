// Reads a pickle without running any of it.
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "formats/pickle/document.hpp"

namespace hn::pickle {

// Reads one pickle (protocols 2 to 5 as torch.save writes them) from the start of `bytes`, which
// the result borrows from. `where` begins the messages.
//
// A pickle is a program that may call any function by name. Here no name is ever looked up: the
// names that tensors and plain containers need are known (torch_globals.cpp) and have their effect
// written out; every other name, and every opcode that could call one, is refused.
//
// Source: CPython 3.11 Lib/pickle.py and pickletools.py; torch 2.11
// torch/_weights_only_unpickler.py.
//
// Errors: HN_UNSUPPORTED names a global, an opcode or a type outside of the allowed; HN_DATA_LOSS
// for everything broken: a pickle that ends early, an empty stack, a memo entry that was never
// written, lengths that run past the end, too many values, tensors that leave their storage.
Document unpickle(std::span<const std::byte> bytes, const std::string& where);

}  // namespace hn::pickle
