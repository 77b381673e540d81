// Creating and destroying, errors as code and text, and what a plugin must leave as it found it.
#include <algorithm>
#include <array>
#include <cstring>
#include <hn/formats/text.hpp>
#include <thread>

#include "core/surroundings.hpp"
#include "validate/check.hpp"
#include "validate/services.hpp"

namespace hn::validate {
namespace {

void refuse_create(Context& c, const char* key, core::OptionValue value, const std::string& shown) {
  core::Options options = c.subject().options;
  options[key] = std::move(value);
  ErrorBuffer error;
  hn_instance* made = nullptr;
  const hn_status status = c.entry()->create(services(), as_config(options), &made, error.get());
  if (status == HN_OK) c.entry()->destroy(made);
  expect_refused(status, error, std::string("create with ") + key + " = " + shown);
  expect(made == nullptr,
         std::string("create with ") + key + " = " + shown + " failed, but *out is not NULL");
}

void bad_device(Context& c) {
  refuse_create(c, "device", std::string("nonsense:7"), "\"nonsense:7\"");
}
void bad_type(Context& c) { refuse_create(c, "device", std::int64_t{3}, "3 (an integer)"); }
// A plugin that asks for the option has to know its words.
void bad_dtype(Context& c) {
  forget_keys_read();
  { const Instance instance(c.entry(), c.subject().options); }
  if (!keys_read().contains("dtype")) throw Skip("the plugin reads no option dtype");
  refuse_create(c, "dtype", std::string("float7"), "\"float7\"");
}
void bad_weights(Context& c) {
  refuse_create(c, "weights", std::string("/nonexistent/weights"), "\"/nonexistent/weights\"");
}

void create_again(Context& c) {
  for (int i = 0; i < 2; ++i) {
    const Instance instance(c.entry(), c.subject().options);
    expect(instance.get() != nullptr, "create");
  }
  // Two alive at once, destroyed in the order of their making.
  auto first = std::make_unique<Instance>(c.entry(), c.subject().options);
  auto second = std::make_unique<Instance>(c.entry(), c.subject().options);
  expect(first->get() != second->get(), "two instances: expected two handles");
  first.reset();
  const Fn fn(*second, c.first_function(), c.subject().options);
  expect(fn.get() != nullptr, "the second instance after the first was destroyed");
}

void null_handles(Context& c) {
  c.entry()->destroy(nullptr);
  Instance& instance = c.instance();
  instance.fn().close(nullptr);
  if (instance.cond() != nullptr) instance.cond()->release(instance.get(), nullptr, kCpuStream);
}

void unknown_function(Context& c) {
  Instance& instance = c.instance();
  for (const std::string name : {"nothing", "", "scor", "scores", "generat"}) {
    hn_fn* fn = nullptr;
    ErrorBuffer error;
    const hn_status status = instance.fn().open(instance.get(), str(name),
                                                as_config(c.subject().options), &fn, error.get());
    if (status == HN_OK) instance.fn().close(fn);
    expect_refused(status, error, "open \"" + name + "\"", {HN_NOT_FOUND});
    expect(fn == nullptr, "open \"" + name + "\" failed, but *out is not NULL");
  }
}

// One and the same failing call with every kind of caller's buffer.
void error_buffer(Context& c) {
  Instance& instance = c.instance();
  const std::string name = "no-such-function";
  const auto open = [&](hn_error* error) {
    hn_fn* fn = nullptr;
    return instance.fn().open(instance.get(), str(name), as_config(c.subject().options), &fn,
                              error);
  };
  ErrorBuffer whole;
  const hn_status code = open(whole.get());
  expect_refused(code, whole, "open \"" + name + "\"");
  const std::string text = whole.text();
  expect(whole.get()->code == code, "hn_error.code: expected the returned " + code_name(code) +
                                        ", got " + code_name(whole.get()->code));
  expect(whole.get()->length == text.size(), "hn_error.length: expected " +
                                                 std::to_string(text.size()) + ", got " +
                                                 std::to_string(whole.get()->length));
  expect(open(nullptr) == code, "a NULL hn_error must give the same code");

  for (const std::uint64_t capacity : {0, 1, 2, 8}) {
    std::array<char, 16> room;
    room.fill('\x5a');
    hn_error error{sizeof(hn_error), 0, room.data(), capacity, 0};
    expect(open(&error) == code,
           "a buffer of " + std::to_string(capacity) + " bytes must give the same code");
    for (std::size_t i = capacity; i < room.size(); ++i)
      expect(room[i] == '\x5a',
             "a buffer of " + std::to_string(capacity) + " bytes: wrote byte " + std::to_string(i));
    if (capacity > 0) {
      expect(std::memchr(room.data(), 0, capacity) != nullptr,
             "a buffer of " + std::to_string(capacity) + " bytes: no closing zero");
      expect(text.starts_with(room.data()), "a cut text must be the front of the whole one");
    }
    expect(error.length == text.size(), "a cut text reports its whole length: expected " +
                                            std::to_string(text.size()) + ", got " +
                                            std::to_string(error.length));
  }
  // A cut leaves no part of a character: the name, which the text may quote, has long ones.
  const std::string foreign = "\xE2\x98\x83\xF0\x9F\x8D\x8E\xC3\xA9 is no function";
  for (std::uint64_t capacity = 1; capacity < 120; ++capacity) {
    std::array<char, 128> room{};
    hn_error error{sizeof(hn_error), 0, room.data(), capacity, 0};
    hn_fn* fn = nullptr;
    instance.fn().open(instance.get(), str(foreign), as_config(c.subject().options), &fn, &error);
    const std::string got = room.data();
    expect(invalid_utf8(got) == std::string::npos,
           "a text cut to " + std::to_string(capacity) + " bytes is no UTF-8");
  }
  hn_error no_message{sizeof(hn_error), 0, nullptr, 100, 0};
  expect(open(&no_message) == code && no_message.code == code,
         "a NULL message must give the same code");
  // An older caller, whose struct ends before the text.
  std::array<unsigned char, sizeof(hn_error)> old;
  old.fill(0x5a);
  const std::uint32_t old_size = 8;
  std::memcpy(old.data(), &old_size, sizeof old_size);
  expect(open(reinterpret_cast<hn_error*>(old.data())) == code,
         "a short hn_error must give the same code");
  for (std::size_t i = old_size; i < old.size(); ++i)
    expect(old[i] == 0x5a, "a hn_error of 8 bytes: wrote byte " + std::to_string(i));
}

void surroundings(Context& c) {
  c.entry();  // libraries' own start-up is not the plugin's call
  const core::Surroundings before(core::Surroundings::Depth::kWhole);
  for (const std::string& function : functions_of(c.subject())) {
    Fn fn(c.instance(), function, c.subject().options);
    Case one(fn, {});
    one.forward(fn.differentiable());
    if (fn.differentiable()) one.backward(one.cotangents(1));
  }
  const std::string changed = before.restore();
  expect(changed.empty(), "changed: " + changed);
}

void joins_threads(Context& c) {
  const std::vector<std::string> before = thread_names();
  {
    const Instance instance(c.entry(), c.subject().options);
    for (const std::string& name : functions_of(c.subject())) {
      Fn fn(instance, name, c.subject().options);
      Case one(fn, {});
      one.forward(fn.differentiable());
      if (fn.differentiable()) one.backward(one.cotangents(1));
    }
  }
  // One that was joined may be in the kernel's lists for a moment more.
  std::vector<std::string> after = thread_names();
  for (int i = 0; i < 100 && after.size() > before.size(); ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
    after = thread_names();
  }
  std::string left;
  for (const std::string& name : after)
    if (std::find(before.begin(), before.end(), name) == before.end())
      left += (left.empty() ? "" : ", ") + name;
  expect(after.size() <= before.size(),
         "threads left running after destroy: " + std::to_string(after.size() - before.size()) +
             (left.empty() ? "" : " (" + left + ")"));
}

constexpr Check kChecks[] = {
    {"create.bad_device", "An unknown device is refused with a code and a text.", Scope::kPlugin,
     nullptr, &bad_device, "entry.loads"},
    {"create.bad_dtype", "A dtype that is none is refused with a code and a text.", Scope::kPlugin,
     nullptr, &bad_dtype, "create.works"},
    {"create.bad_type", "An option of the wrong type is refused with a code and a text.",
     Scope::kPlugin, nullptr, &bad_type, "entry.loads"},
    {"create.bad_weights", "A weights folder that is not there is refused with a code and a text.",
     Scope::kPlugin,
     [](Context& c) {
       return c.subject().weights ? std::string() : std::string("the plugin reads no weights");
     },
     &bad_weights, "entry.loads"},
    {"create.again", "Instances can be made and destroyed again, and several live side by side.",
     Scope::kPlugin, nullptr, &create_again, "open.works"},
    {"create.null", "destroy, close and release accept NULL.", Scope::kPlugin, nullptr,
     &null_handles, "create.works"},
    {"open.unknown", "A function that the plugin does not have is HN_NOT_FOUND.", Scope::kPlugin,
     nullptr, &unknown_function, "create.works"},
    {"errors.buffer",
     "An error text fits any caller's buffer: cut, closed by zero, its whole length told.",
     Scope::kPlugin, nullptr, &error_buffer, "create.works"},
    {"threads.joined", "destroy ends every thread that the plugin started.", Scope::kPlugin,
     nullptr, &joins_threads, "forward.works"},
    {"process.surroundings",
     "Floating-point modes, locale, working folder, umask, signal mask and handlers stay.",
     Scope::kPlugin, nullptr, &surroundings, "forward.works"},
};

}  // namespace

std::span<const Check> plugin_checks() { return kChecks; }

std::string needs_gradient(Context& c) {
  return c.fn().differentiable() ? std::string()
                                 : "the function is score-only: no input has a gradient";
}

std::string needs_prompts(Context& c) {
  return c.instance().cond() != nullptr ? std::string() : "the plugin has no hn.cond/1";
}

}  // namespace hn::validate
