// hn.cond/1: prompts as handles.
#include <hn/cpp/client.hpp>
#include <string>

#include "validate/check.hpp"

namespace hn::validate {

std::vector<Values> outputs_with(Fn& fn, const std::vector<hn_cond*>& handles) {
  Case one(fn, {});
  hn_call call = one.call(false);
  call.cond = handles.data();
  call.n_cond = handles.size();
  ErrorBuffer error;
  expect_ok(one.try_forward(call, error), error, "forward");
  return one.outputs();
}

std::unique_ptr<Fn> function_with_prompts(Context& c) {
  for (const std::string& name : functions_of(c.subject())) {
    auto fn = std::make_unique<Fn>(c.instance(), name, c.subject().options);
    if (fn->needs_cond()) return fn;
  }
  throw Skip("no function reads prompts");
}

namespace {

void batch_is_single(Context& c) {
  const auto fn = function_with_prompts(c);
  Prompts together(c.instance(), {prompt_text(0), prompt_text(1)});
  Prompts first(c.instance(), {prompt_text(0)}), second(c.instance(), {prompt_text(1)});
  const auto want = outputs_with(*fn, {first.handles()[0], second.handles()[0]});
  const auto got = outputs_with(*fn, together.handles());
  for (std::size_t k = 0; k < want.size(); ++k)
    expect_close(got[k], want[k], kSameUpToBlocking,
                 "output " + fn->outputs()[k].name + ", prompts encoded together and alone");
}

void shared(Context& c) {
  const auto fn = function_with_prompts(c);
  Prompts one(c.instance(), {prompt_text(0)});
  hn_cond* const handle = one.handles()[0];
  const auto want = outputs_with(*fn, {handle, handle});
  const auto got = outputs_with(*fn, {handle});
  for (std::size_t k = 0; k < want.size(); ++k)
    expect_close(got[k], want[k], kSameUpToBlocking,
                 "output " + fn->outputs()[k].name + ", one prompt for all and one a sample");
}

// Any text may come: it is encoded, or refused as the caller's mistake by a plugin that reads a
// grammar of its own.
void texts(Context& c) {
  const auto fn = function_with_prompts(c);
  const hn_cond_v1& table = *c.instance().cond();
  std::string long_text;
  for (int i = 0; i < 2000; ++i) long_text += "red apple ";
  const std::string not_utf8 = "apple \xFF\xFE\x80";
  const std::string foreign = "\xE2\x98\x83 \xF0\x9F\x8D\x8E caf\xC3\xA9";
  for (const std::string& text :
       {std::string(), std::string("   "), long_text, foreign, not_utf8}) {
    const std::string what = "the prompt '" + text.substr(0, 20) + "'";
    RawPrompts raw;
    raw.add(text);
    hn_cond* handle = nullptr;
    ErrorBuffer error;
    const hn_status status =
        table.encode(c.instance().get(), raw.data(), 1, kCpuStream, &handle, error.get());
    if (status != HN_OK) {
      expect_refused(status, error, what, {HN_INVALID_ARGUMENT});
      expect(handle == nullptr, what + " was refused, but its handle is not NULL");
      continue;
    }
    const auto outputs = outputs_with(*fn, {handle});
    table.release(c.instance().get(), handle, kCpuStream);
    for (const Values& values : outputs) expect_finite(values, what);
  }
  // The view is not terminated by zero: what stands behind its length is not the prompt's.
  const std::string longer = prompt_text(0) + " and a hundred cats";
  RawPrompts front(std::vector{std::string_view(longer).substr(0, prompt_text(0).size())});
  hn_cond* cut = nullptr;
  ErrorBuffer cut_error;
  expect_ok(c.instance().cond()->encode(c.instance().get(), front.data(), 1, kCpuStream, &cut,
                                        cut_error.get()),
            cut_error, "encode");
  Prompts whole(c.instance(), {prompt_text(0)});
  const auto got = outputs_with(*fn, {cut}), want = outputs_with(*fn, whole.handles());
  c.instance().cond()->release(c.instance().get(), cut, kCpuStream);
  for (std::size_t k = 0; k < want.size(); ++k)
    expect_close(got[k], want[k], 0, "a prompt with other text behind its end");
}

void matters(Context& c) {
  const auto fn = function_with_prompts(c);
  if (!fn->differentiable()) throw Skip("a verdict may be the same for many prompts");
  Prompts two(c.instance(), {prompt_text(0), prompt_text(3)});
  const auto a = outputs_with(*fn, {two.handles()[0]}), b = outputs_with(*fn, {two.handles()[1]});
  bool differ = false;
  for (std::size_t k = 0; k < a.size(); ++k) differ = differ || !same_bits(a[k], b[k]);
  // A noise network whose prompt path is exactly zero would be a mistake too: adapters are not zero
  // here.
  expect(differ, "two different prompts give the same result: is the prompt read?");
}

void sizes(Context& c) {
  Instance& instance = c.instance();
  Prompts one(instance, {prompt_text(1)});
  const std::uint64_t size = instance.cond()->size_bytes(instance.get(), one.handles()[0]);
  expect(size > 0 && size < (1ull << 40),
         "size_bytes: implausible, " + std::to_string(size) + " (the host's cache lives by it)");
  std::uint64_t none = 0;
  ErrorBuffer error;
  expect_ok(instance.cond()->encode(instance.get(), nullptr, 0, kCpuStream,
                                    reinterpret_cast<hn_cond**>(&none), error.get()),
            error, "encode of no prompts");
}

void embedding(Context& c) {
  Instance& instance = c.instance();
  const std::uint64_t n = instance.cond()->embedding_size(instance.get());
  Prompts one(instance, {prompt_text(1)});
  if (n == 0) {
    Buffer room({4});
    ErrorBuffer error;
    expect_refused(instance.cond()->embedding(instance.get(), one.handles()[0], kCpuStream,
                                              room.view(), error.get()),
                   error, "embedding of a plugin whose embedding_size is 0", {HN_UNSUPPORTED});
    return;
  }
  std::vector<Values> read;
  for (const Layout layout : {Layout::kPlain, Layout::kOdd}) {
    Buffer room({static_cast<std::int64_t>(n)}, layout);
    ErrorBuffer error;
    expect_ok(instance.cond()->embedding(instance.get(), one.handles()[0], kCpuStream, room.view(),
                                         error.get()),
              error, "embedding");
    const auto hit = room.damage();
    expect(!hit, "embedding wrote outside its buffer: " + hit.value_or(""));
    read.push_back(room.read());
    expect_finite(read.back(), "embedding");
  }
  expect_close(read[1], read[0], 0, "embedding into strides and a byte_offset");
  Buffer short_room({static_cast<std::int64_t>(n) - 1});
  ErrorBuffer error;
  expect_refused(instance.cond()->embedding(instance.get(), one.handles()[0], kCpuStream,
                                            short_room.view(), error.get()),
                 error, "embedding into a buffer too short", {HN_INVALID_ARGUMENT});
}

constexpr Check kChecks[] = {
    {"cond.batch", "Prompts encoded together and alone give the same results.", Scope::kPlugin,
     &needs_prompts, &batch_is_single, "cond.works forward.works"},
    {"cond.shared", "One prompt for a whole batch is the same as that prompt for every sample.",
     Scope::kPlugin, &needs_prompts, &shared, "cond.works forward.works"},
    {"cond.texts",
     "Empty, long and foreign texts are encoded or refused; a text ends at its length.",
     Scope::kPlugin, &needs_prompts, &texts, "cond.works forward.works"},
    {"cond.matters", "The prompt makes a difference.", Scope::kPlugin, &needs_prompts, &matters,
     "cond.works forward.works"},
    {"cond.size", "A handle tells its bytes, and no prompts give no handles.", Scope::kPlugin,
     &needs_prompts, &sizes, "cond.works"},
    {"cond.embedding", "The pooled embedding has the size that was promised, or is HN_UNSUPPORTED.",
     Scope::kPlugin, &needs_prompts, &embedding, "cond.works"},
};

}  // namespace

std::span<const Check> cond_checks() { return kChecks; }

}  // namespace hn::validate
