# ImageReward: its tokenizer, its plugin through the ABI, and the image operations that it shares.
if(TARGET hn::formats)
  find_package(ZLIB REQUIRED)
  hn_add_test(NAME text_bert_tokenizer_test SOURCES unit/text_bert_tokenizer_test.cpp
    LIBS hn::text hn::formats ZLIB::ZLIB LABELS unit golden)
endif()
if(HN_BUILD_PLUGINS AND HN_WITH_LIBTORCH)
  hn_add_test(NAME reward_image_reward_test SOURCES unit/reward_image_reward_test.cpp
    LIBS hn::formats ZLIB::ZLIB ${CMAKE_DL_LIBS} LABELS unit golden)
  add_dependencies(reward_image_reward_test image_reward_bundle)
  set(image_reward ${PROJECT_SOURCE_DIR}/plugins/rewards/image_reward)
  hn_add_test(NAME reward_image_reward_model_test TORCH SOURCES unit/reward_image_reward_model_test.cpp
    ${image_reward}/model.cpp ${image_reward}/bert.cpp ${image_reward}/vit.cpp ${image_reward}/config.cpp
    LIBS hn::nn LABELS unit golden)
  hn_add_test(NAME reward_preprocess_test TORCH SOURCES unit/reward_preprocess_test.cpp
    LIBS hn::nn hn::formats ZLIB::ZLIB LABELS unit golden)
endif()
