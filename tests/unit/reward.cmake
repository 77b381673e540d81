# The rewards, each through its ABI: these tests link no plugin and, but for reward_torch_test, no LibTorch.
if(HN_BUILD_PLUGINS)
  hn_add_test(NAME reward_redness_test SOURCES unit/reward_redness_test.cpp LIBS hn::sdk ${CMAKE_DL_LIBS} LABELS unit)
  add_dependencies(reward_redness_test redness_bundle)
endif()
if(HN_BUILD_PLUGINS AND HN_WITH_LIBTORCH)
  hn_add_test(NAME reward_clip_test SOURCES unit/reward_clip_test.cpp LIBS hn::formats ${CMAKE_DL_LIBS} LABELS unit golden)
  add_dependencies(reward_clip_test clip_bundle)
  find_package(ZLIB REQUIRED)
  hn_add_test(NAME reward_judge_test SOURCES unit/reward_judge_test.cpp ${PROJECT_SOURCE_DIR}/plugins/rewards/judge/grammar.cpp ${PROJECT_SOURCE_DIR}/plugins/rewards/judge/metadata.cpp
              LIBS ZLIB::ZLIB hn::formats ${CMAKE_DL_LIBS} LABELS unit golden)
  add_dependencies(reward_judge_test judge_bundle)
  hn_add_test(NAME reward_torch_test TORCH SOURCES unit/reward_torch_test.cpp ${PROJECT_SOURCE_DIR}/plugins/rewards/judge/detector.cpp
              LIBS ZLIB::ZLIB hn::nn LABELS unit golden)
endif()
find_package(OpenSSL REQUIRED COMPONENTS Crypto)
hn_add_test(NAME reward_manifest_test SOURCES unit/reward_manifest_test.cpp LIBS OpenSSL::Crypto LABELS unit)
