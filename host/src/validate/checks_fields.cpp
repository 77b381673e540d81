// The fields of a prompt: what a plugin says that it reads, against what it does with it.
#include <array>
#include <cstring>
#include <hn/cpp/client.hpp>

#include "validate/check.hpp"

namespace hn::validate {
namespace {

struct Field {
  std::uint32_t flag;
  const char* name;
  std::vector<std::string> values;  // of a tensor: its name, and how bright it is
};
const std::vector<Field>& fields() {
  static const std::vector<Field> all = {
      {HN_PROMPT_NEGATIVE, "negative", {"blurry, low quality", "three yellow buses"}},
      // The facts that hn's own plugins and GenEval's files know, and some of nobody.
      {HN_PROMPT_JSON,
       "json",
       {R"({"tag":"counting","include":[{"class":"cat","count":3}],"prompt":"three cats"})",
        R"({"tag":"colors","include":[{"class":"cup","count":1,"color":"blue"}],"prompt":"a cup"})",
        R"({"org.example.fact":[1,2,3]})"}},
      {HN_PROMPT_TENSORS, "tensors", {"image 0.2", "image 0.9", "mask 0.2", "mask 0.9"}}};
  return all;
}

// One prompt with one more field than its text.
class FieldPrompt {
 public:
  FieldPrompt(std::uint32_t flag, const std::string& value) : value_(value) {
    raw_.struct_size = sizeof raw_;
    raw_.text = str(text_);
    if (flag == HN_PROMPT_NEGATIVE) raw_.negative = str(value_);
    if (flag == HN_PROMPT_JSON) raw_.json = str(value_);
    if (flag != HN_PROMPT_TENSORS) return;
    const std::size_t blank = value_.find(' ');
    name_ = value_.substr(0, blank);
    room_.emplace(std::vector<std::int64_t>{name_ == "mask" ? 1 : 3, 24, 32});
    room_->write(Values(room_->count(), std::stof(value_.substr(blank))));
    tensor_ = {str(name_), room_->view()};
    raw_.tensors = &tensor_;
    raw_.n_tensors = 1;
  }
  FieldPrompt(const FieldPrompt&) = delete;
  FieldPrompt& operator=(const FieldPrompt&) = delete;
  hn_prompt& raw() { return raw_; }

 private:
  std::string text_ = prompt_text(0), value_, name_;
  std::optional<Buffer> room_;
  hn_named_tensor tensor_{};
  hn_prompt raw_{};
};

// encode, with handles that are spoiled before and released after.
class Trial {
 public:
  Trial(Instance& instance, const std::vector<const hn_prompt*>& prompts)
      : instance_(instance), handles_(prompts.size(), spoiled()) {
    status_ = instance.cond()->encode(instance.get(), prompts.data(), prompts.size(), kCpuStream,
                                      handles_.data(), error_.get());
  }
  ~Trial() {
    if (status_ != HN_OK) return;
    for (hn_cond* handle : handles_)
      if (handle != spoiled()) instance_.cond()->release(instance_.get(), handle, kCpuStream);
  }
  Trial(const Trial&) = delete;
  Trial& operator=(const Trial&) = delete;

  hn_status status() const { return status_; }
  const ErrorBuffer& error() const { return error_; }
  const std::vector<hn_cond*>& handles() const { return handles_; }
  void expect_no_handles(const std::string& what) const {
    for (const hn_cond* handle : handles_)
      expect(handle == nullptr, what + " was refused, but not every *out is NULL");
  }

 private:
  static hn_cond* spoiled() {
    static char mark;
    return reinterpret_cast<hn_cond*>(&mark);
  }
  Instance& instance_;
  std::vector<hn_cond*> handles_;
  ErrorBuffer error_;
  hn_status status_ = HN_OK;
};

void refused_prompt(Instance& instance, const hn_prompt& prompt, const std::string& what,
                    const std::vector<hn_status>& codes) {
  FieldPrompt plain(0, "");
  const Trial trial(instance, {&plain.raw(), &prompt});
  expect_refused(trial.status(), trial.error(), what, codes);
  trial.expect_no_handles(what);
}

// Results of every function that reads prompts, one after another.
std::vector<Values> results_with(Context& c, const std::vector<hn_cond*>& handles, bool& verdict) {
  std::vector<Values> all;
  for (const std::string& name : functions_of(c.subject())) {
    Fn fn(c.instance(), name, c.subject().options);
    if (!fn.needs_cond()) continue;
    verdict = verdict || !fn.differentiable();
    for (Values& values : outputs_with(fn, handles)) all.push_back(std::move(values));
  }
  return all;
}

void check_declared(Context& c, const Field& field) {
  const std::string what = std::string("prompt_fields names ") + field.name;
  std::vector<std::vector<Values>> results;
  bool verdict = false, refused = false;
  {
    FieldPrompt plain(0, "");
    const Trial trial(c.instance(), {&plain.raw()});
    expect_ok(trial.status(), trial.error(), "encode");
    results.push_back(results_with(c, trial.handles(), verdict));
  }
  for (const std::string& value : field.values) {
    FieldPrompt prompt(field.flag, value);
    const Trial trial(c.instance(), {&prompt.raw()});
    if (trial.status() != HN_OK) {
      // Facts and pictures have a form that each plugin says for itself.
      expect(field.flag != HN_PROMPT_NEGATIVE,
             what + ", but a negative prompt was refused: " + trial.error().text());
      expect_refused(trial.status(), trial.error(), what + ", encode with '" + value + "'",
                     {HN_INVALID_ARGUMENT, HN_UNSUPPORTED});
      refused = true;
      continue;
    }
    results.push_back(results_with(c, trial.handles(), verdict));
  }
  if (field.flag == HN_PROMPT_JSON) {
    FieldPrompt broken(HN_PROMPT_JSON, R"({"tag": )");
    const Trial trial(c.instance(), {&broken.raw()});
    refused = refused || trial.status() != HN_OK;
  }
  for (std::size_t i = 1; i < results.size(); ++i)
    for (std::size_t k = 0; k < results[i].size(); ++k)
      if (!same_bits(results[i][k], results[0][k])) return;
  if (refused) return;  // it was looked at, if for nothing that is known here
  if (verdict && field.flag != HN_PROMPT_JSON) return;  // may be the same for many prompts
  throw Failure(what + ", and no value that was tried makes a difference: is it read?");
}

void declared(Context& c) {
  Instance& instance = c.instance();
  const std::uint32_t said = instance.cond()->prompt_fields(instance.get());
  expect((said & ~(HN_PROMPT_NEGATIVE | HN_PROMPT_JSON | HN_PROMPT_TENSORS)) == 0,
         "prompt_fields: unknown bits, " + std::to_string(said));
  for (const Field& field : fields()) {
    if ((said & field.flag) == 0) {
      for (const std::string& value : field.values) {
        FieldPrompt prompt(field.flag, value);
        refused_prompt(
            instance, prompt.raw(),
            std::string("a prompt with ") + field.name + ", which prompt_fields does not name,",
            {HN_UNSUPPORTED});
      }
      continue;
    }
    check_declared(c, field);
  }
  if ((said & HN_PROMPT_TENSORS) == 0) return;
  FieldPrompt unheard(HN_PROMPT_TENSORS, "org.example.unheard 0.5");
  refused_prompt(instance, unheard.raw(), "a tensor of an unknown name", {HN_UNSUPPORTED});
  expect(instance.cond()->prompt_fields(instance.get()) == said,
         "prompt_fields: expected the same answer each time");
}

// The prompt is the caller's again when encode returns.
void borrowed(Context& c) {
  const auto fn = function_with_prompts(c);
  Prompts kept(c.instance(), {prompt_text(1)});
  const auto want = outputs_with(*fn, kept.handles());
  auto text = std::make_unique<std::string>(prompt_text(1));
  hn_prompt prompt{};
  prompt.struct_size = sizeof prompt;
  prompt.text = str(*text);
  const Trial trial(c.instance(), {&prompt});
  expect_ok(trial.status(), trial.error(), "encode");
  std::fill(text->begin(), text->end(), 'x');
  prompt = {};
  const auto got = outputs_with(*fn, trial.handles());
  for (std::size_t k = 0; k < want.size(); ++k)
    expect_close(
        got[k], want[k], 0,
        "output " + fn->outputs()[k].name + ", of a prompt whose text changed after encode");
}

void structs(Context& c) {
  Instance& instance = c.instance();
  struct {
    hn_prompt prompt;
    std::array<unsigned char, 64> tail;
  } longer{FieldPrompt(0, "").raw(), {}};
  const std::string text = prompt_text(0);
  longer.prompt.text = str(text);
  longer.prompt.struct_size = sizeof longer;
  longer.tail.fill(0xff);
  {
    const Trial trial(instance, {&longer.prompt});
    expect_ok(trial.status(), trial.error(), "encode of a longer hn_prompt");
  }
  longer.prompt.flags = 1u << 20;
  {
    const Trial trial(instance, {&longer.prompt});
    expect_ok(trial.status(), trial.error(), "encode of a prompt with an unknown hint");
  }
  longer.prompt.flags = 1u << 9;
  refused_prompt(instance, longer.prompt, "a prompt with an unknown flag", {HN_UNSUPPORTED});
  longer.prompt.flags = 0;
  longer.prompt.struct_size = offsetof(hn_prompt, n_tensors);
  refused_prompt(instance, longer.prompt, "an hn_prompt shorter than version 1.0",
                 {HN_INVALID_ARGUMENT});
}

constexpr Check kChecks[] = {
    {"cond.fields",
     "The fields that prompt_fields names are read, any other one is refused, and with it all.",
     Scope::kPlugin, &needs_prompts, &declared, "cond.works forward.works"},
    {"cond.borrowed", "encode keeps nothing that belongs to the caller.", Scope::kPlugin,
     &needs_prompts, &borrowed, "cond.works forward.works"},
    {"cond.structs",
     "A longer hn_prompt and a hint are taken, a shorter one and an unknown flag refused.",
     Scope::kPlugin, &needs_prompts, &structs, "cond.works"},
};

}  // namespace

std::span<const Check> field_checks() { return kChecks; }

}  // namespace hn::validate
