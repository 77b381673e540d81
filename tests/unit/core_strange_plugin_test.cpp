// What a plugin of a later version, or a wrong one, may say, and the host must refuse by name.
#include "core/models.hpp"
#include "unit/core_support.hpp"

namespace hn::core::test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

// The fake generator, with its answers changed on their way to the host.
std::function<void(hn_fn_info&)> change_info;
std::function<void(std::int32_t direction, std::uint64_t index, hn_slot&)> change_slot;
std::function<void(hn_layer&)> change_layer;
hn_status forced = HN_OK;
std::uint32_t fields = 0;

hn_status strange_info(hn_fn* fn, hn_fn_info* out, hn_error* error) {
  const hn_status status = tables::kFn.info(fn, out, error);
  if (change_info) change_info(*out);
  return status;
}
hn_status strange_slot(hn_fn* fn, std::int32_t direction, std::uint64_t index, hn_slot* out,
                       hn_error* error) {
  const hn_status status = tables::kFn.slot(fn, direction, index, out, error);
  if (change_slot) change_slot(direction, index, *out);
  return status;
}
hn_status strange_forward(hn_fn* fn, const hn_call* call, hn_saved** saved, hn_error* error) {
  if (forced == HN_OK) return tables::kFn.forward(fn, call, saved, error);
  write_error(error, forced, "strange");
  return forced;
}
hn_status strange_layer(hn_instance* p, hn_str name, std::uint64_t index, hn_layer* out,
                        hn_error* error) {
  const hn_status status = tables::kAdapter.layer(p, name, index, out, error);
  if (change_layer) change_layer(*out);
  return status;
}
std::uint32_t strange_fields(hn_instance*) { return fields; }

const void* strange_interface(hn_instance* instance, const char* id) {
  static hn_fn_v1 fn = tables::kFn;
  static hn_cond_v1 cond = tables::kCond;
  static hn_adapter_v1 adapter = tables::kAdapter;
  fn.info = &strange_info;
  fn.slot = &strange_slot;
  fn.forward = &strange_forward;
  cond.prompt_fields = &strange_fields;
  adapter.layer = &strange_layer;
  const std::string_view wanted(id);
  if (wanted == HN_FN_V1) return &fn;
  if (wanted == HN_COND_V1) return &cond;
  if (wanted == HN_ADAPTER_V1) return &adapter;
  return fake::generator_plugin()->get_interface(instance, id);
}

class CoreStrangePlugin : public CoreTest {
 protected:
  CoreStrangePlugin() : entry_(*fake::generator_plugin()) {
    entry_.get_interface = &strange_interface;
    change_info = nullptr;
    change_slot = nullptr;
    change_layer = nullptr;
    forced = HN_OK;
    fields = 0;
  }
  std::unique_ptr<Session> open() {
    SessionSpec spec = fake_spec();
    spec.generator.plugin.entry = &entry_;
    return open_session(spec, {});
  }
  hn_plugin_v1 entry_;
};

TEST_F(CoreStrangePlugin, FlagsThatMayChangeTheMeaningAreRefused) {
  entry_.flags = 1;
  EXPECT_FAILS(HN_UNSUPPORTED, AllOf(HasSubstr("linear: entry"), HasSubstr("flags")), open());
  entry_.flags = 1u << 31;  // a hint
  (void)open();
  entry_.flags = 0;
  change_info = [](hn_fn_info& info) { info.flags |= 1u << 10; };
  EXPECT_FAILS(HN_UNSUPPORTED, AllOf(HasSubstr("generate"), HasSubstr("info"), HasSubstr("1024")),
               open());
  change_info = [](hn_fn_info& info) { info.flags |= 1u << 20; };
  (void)open();
  change_info = nullptr;
  change_slot = [](std::int32_t, std::uint64_t, hn_slot& slot) { slot.flags |= 1u << 9; };
  EXPECT_FAILS(HN_UNSUPPORTED, AllOf(HasSubstr("slot noise"), HasSubstr("512")), open());
  change_slot = nullptr;
  fields = 1u << 5;
  EXPECT_FAILS(HN_UNSUPPORTED, HasSubstr("prompt_fields"), open());
}

TEST_F(CoreStrangePlugin, ShapesThatCannotBeAreRefused) {
  change_slot = [](std::int32_t, std::uint64_t, hn_slot& slot) { slot.ndim = HN_MAX_DIMS + 1; };
  EXPECT_FAILS(HN_UNSUPPORTED, AllOf(HasSubstr("slot noise"), HasSubstr("9")), open());
  change_slot = [](std::int32_t, std::uint64_t, hn_slot& slot) { slot.shape = nullptr; };
  EXPECT_FAILS(HN_UNSUPPORTED, HasSubstr("slot noise"), open());
}

TEST_F(CoreStrangePlugin, AnInputThatNobodyCanGiveIsRefusedWhenItIsOpened) {
  change_slot = [](std::int32_t direction, std::uint64_t index, hn_slot& slot) {
    if (direction != HN_SLOT_INPUT || index != 1) return;
    slot.name = HN_STR("depth");
    slot.semantic = HN_STR("org.example.depth");
    slot.flags &= ~HN_SLOT_OPTIONAL;
  };
  EXPECT_FAILS(HN_UNSUPPORTED,
               AllOf(HasSubstr("generate: input 'depth'"), HasSubstr("org.example.depth")), open());
}

TEST_F(CoreStrangePlugin, SlotsAreFoundByTheirSemantic) {
  change_slot = [](std::int32_t, std::uint64_t, hn_slot& slot) {
    if ((slot.flags & HN_SLOT_PARAM) != 0) return;
    slot.name = view(slot.semantic) == "noise" ? hn_str{"z", 1} : hn_str{"y", 1};
  };
  EXPECT_EQ(open()->train_step().step, 1u) << "names are for messages";
  change_slot = [](std::int32_t, std::uint64_t, hn_slot& slot) {
    if (view(slot.semantic) == "noise") slot.semantic = HN_STR("org.example.noise");
  };
  EXPECT_FAILS(HN_UNSUPPORTED, HasSubstr("org.example.noise"), open());
  change_slot = [](std::int32_t direction, std::uint64_t, hn_slot& slot) {
    if (direction == HN_SLOT_OUTPUT && view(slot.semantic) == "image_rgb01")
      slot.semantic = HN_STR("org.example.picture");
  };
  EXPECT_FAILS(HN_UNSUPPORTED,
               AllOf(HasSubstr("generate has no output of semantic 'image_rgb01'"),
                     HasSubstr("the one of that name has the semantic 'org.example.picture'")),
               open());
  change_slot = [](std::int32_t, std::uint64_t, hn_slot& slot) {
    if (view(slot.semantic) == "step_noise") slot.semantic = HN_STR("noise");
  };
  EXPECT_FAILS(HN_UNSUPPORTED,
               HasSubstr("generate has two inputs of semantic 'noise': 'noise' and 'step_noise'"),
               open());
}

TEST_F(CoreStrangePlugin, ASizeThatIsNotKeptIsRefused) {
  SessionSpec spec = fake_spec();
  spec.generator.options["width"] = std::int64_t{64};
  EXPECT_FAILS(HN_UNSUPPORTED,
               AllOf(HasSubstr("linear: option width = 64 was given"), HasSubstr("2 x 2")),
               open_session(spec, {}));
  spec.generator.options["width"] = std::int64_t{fake::kSide};
  (void)open_session(spec, {});
}

TEST_F(CoreStrangePlugin, ALayerOfAnUnknownKindIsRefused) {
  change_layer = [](hn_layer& layer) { layer.kind = 7; };
  Services services;
  const HostServices host(services);
  Runtime runtime{host, {kDLCPU, 0, 0}, {}};
  GeneratorSpec spec = fake_spec().generator;
  spec.plugin.entry = &entry_;
  GeneratorModel model(runtime, spec, "cpu");
  EXPECT_FAILS(HN_UNSUPPORTED, AllOf(HasSubstr("net.0.to_q"), HasSubstr("kind 7")),
               model.layers(NetKind::kHypernet));
}

TEST_F(CoreStrangePlugin, AnUnknownCodeIsInternal) {
  const auto session = open();
  SampleRequest request;
  request.prompts = {"a"};
  for (const hn_status code : {hn_status{999}, hn_status{-1}}) {
    forced = code;
    EXPECT_FAILS(HN_INTERNAL, HasSubstr("strange"), session->sample(request));
  }
  forced = HN_UNAVAILABLE;
  EXPECT_FAILS(HN_UNAVAILABLE, HasSubstr("strange"), session->sample(request));
}

}  // namespace
}  // namespace hn::core::test
