// Lists of prompts, in the form that the part's ending names, with pictures beside them.
#include "config/prompts.hpp"

#include "fuzz/fuzz.hpp"

HN_FUZZ_TARGET(prompts) {
  const auto parts =
      hn::fuzz::parts_of(input, {"p.txt", "p.tsv", "p.csv", "p.jsonl", "a.png", "m.png"});
  const auto& folder = hn::fuzz::write_parts(parts);
  for (const char* name : {"p.txt", "p.tsv", "p.csv", "p.jsonl"}) {
    if (!parts.contains(name)) continue;
    hn::fuzz::read([&] {
      for (const hn::core::Prompt& prompt : hn::host::read_prompts(folder / name)) {
        const std::string key = key_of(prompt, hn::core::kAllPromptFields);
        hn::fuzz::require(!prompt.text.empty() && !key.empty(), "a prompt without a text");
        hn::fuzz::require(prompt.text.find('\0') == std::string::npos, "a zero byte in a prompt");
      }
    });
  }
}
