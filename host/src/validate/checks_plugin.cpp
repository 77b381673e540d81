// Creating and destroying, errors as code and text, memory, adapters, and what a plugin must leave
// as it found it.
#include <unistd.h>

#include <hn/cpp/client.hpp>
#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

#include <algorithm>
#include <array>
#include <cfenv>
#include <clocale>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <set>
#include <thread>

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

void memory(Context& c) {
  Instance& instance = c.instance();
  const std::uint64_t before = hn::used_bytes(*instance.memory(), instance.get());
  Fn fn(instance, c.first_function(), c.subject().options);
  Case one(fn, {});
  one.forward(false);
  const auto expected = one.outputs();
  instance.memory()->trim(instance.get(), kCpuStream);
  one.forward(false);
  const auto got = one.outputs();
  for (std::size_t k = 0; k < got.size(); ++k)
    expect_close(got[k], expected[k], 0, "the same call after trim");
  const std::uint64_t after = hn::used_bytes(*instance.memory(), instance.get());
  expect(before < (1ull << 50) && after < (1ull << 50),
         "used_bytes: implausible, " + std::to_string(after));
}

void adapter_layers(Context& c) {
  Instance& instance = c.instance();
  const hn_adapter_v1& table = *instance.adapter();
  std::uint64_t total = 0;
  for (const std::string& function : functions_of(c.subject())) {
    std::uint64_t count = 0;
    ErrorBuffer error;
    const hn_status status = table.layer_count(instance.get(), str(function), &count, error.get());
    if (status == HN_NOT_FOUND) continue;
    expect_ok(status, error, "layer_count " + function);
    total += count;
    std::set<std::string> names;
    for (std::uint64_t i = 0; i < count; ++i) {
      hn_layer layer{};
      layer.struct_size = sizeof layer;
      ErrorBuffer layer_error;
      expect_ok(table.layer(instance.get(), str(function), i, &layer, layer_error.get()),
                layer_error, "layer");
      const std::string name(view(layer.name));
      expect(!name.empty() && names.insert(name).second,
             "layer " + std::to_string(i) + ": name '" + name + "' is empty or not unique");
      expect(layer.in_features > 0 && layer.out_features > 0 && layer.groups > 0 &&
                 layer.kernel_h > 0 && layer.kernel_w > 0,
             "layer " + name + ": sizes must be above 0");
      expect(layer.kind == HN_LAYER_LINEAR || layer.kind == HN_LAYER_CONV2D,
             "layer " + name + ": unknown kind");
    }
    hn_layer beyond{};
    beyond.struct_size = sizeof beyond;
    ErrorBuffer beyond_error;
    expect_refused(table.layer(instance.get(), str(function), count, &beyond, beyond_error.get()),
                   beyond_error, "layer " + std::to_string(count) + " of " + std::to_string(count));
  }
  expect(total > 0, "hn.adapter/1 is offered, but no function has a layer");
  std::uint64_t count = 0;
  ErrorBuffer error;
  expect_refused(table.layer_count(instance.get(), str("nothing"), &count, error.get()), error,
                 "layer_count of \"nothing\"", {HN_NOT_FOUND});
}

struct Surroundings {
  int rounding = std::fegetround();
#if defined(__x86_64__)
  unsigned mxcsr =
      _mm_getcsr() & ~static_cast<unsigned>(_MM_EXCEPT_MASK);  // without the sticky exception bits
#else
  unsigned mxcsr = 0;
#endif
  std::string locale = std::setlocale(LC_ALL, nullptr);
  std::string folder = std::filesystem::current_path().string();
  std::array<void (*)(int), 7> handlers{};

  Surroundings() {
    constexpr std::array kSignals = {SIGINT, SIGTERM, SIGSEGV, SIGFPE, SIGABRT, SIGPIPE, SIGCHLD};
    for (std::size_t i = 0; i < kSignals.size(); ++i) {
      struct sigaction action {};
      ::sigaction(kSignals[i], nullptr, &action);
      handlers[i] = action.sa_handler;
    }
  }
};

void surroundings(Context& c) {
  c.entry();  // libraries' own start-up is not the plugin's call
  const Surroundings before;
  for (const std::string& function : functions_of(c.subject())) {
    Fn fn(c.instance(), function, c.subject().options);
    Case one(fn, {});
    one.forward(fn.differentiable());
    if (fn.differentiable()) one.backward(one.cotangents(1));
  }
  const Surroundings after;
  expect(before.rounding == after.rounding, "the rounding mode was changed");
  expect(before.mxcsr == after.mxcsr,
         "the floating-point control word was changed (flush to zero, masks)");
  expect(before.locale == after.locale,
         "the locale was changed from " + before.locale + " to " + after.locale);
  expect(before.folder == after.folder, "the working folder was changed to " + after.folder);
  expect(before.handlers == after.handlers, "a signal handler was changed");
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
    {"memory.trim", "hn.memory/1 reports bytes, and a call after trim gives the same result.",
     Scope::kPlugin,
     [](Context& c) {
       return c.instance().memory() ? std::string() : std::string("the plugin has no hn.memory/1");
     },
     &memory, "forward.works"},
    {"adapter.layers",
     "hn.adapter/1 lists every layer once, with sizes, and refuses an index past the end.",
     Scope::kPlugin,
     [](Context& c) {
       return c.instance().adapter() ? std::string()
                                     : std::string("the plugin has no hn.adapter/1");
     },
     &adapter_layers, "create.works"},
    {"threads.joined", "destroy ends every thread that the plugin started.", Scope::kPlugin,
     nullptr, &joins_threads, "forward.works"},
    {"process.surroundings",
     "Rounding mode, locale, working folder and signal handlers stay as they were.", Scope::kPlugin,
     nullptr, &surroundings, "forward.works"},
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
