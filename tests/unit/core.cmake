# The core against small in-process plugins (tests/support/fake_plugins.hpp), and its numbers against PyTorch's.
if(TARGET hnhost_core_parts)
  set(here ${CMAKE_SOURCE_DIR}/tests/unit)
  hn_add_test(NAME core_parts_test TORCH LABELS unit
    SOURCES ${here}/core_draws_test.cpp ${here}/core_function_client_test.cpp ${here}/core_host_services_test.cpp ${here}/core_instance_test.cpp
            ${here}/core_loss_test.cpp ${here}/core_low_frequency_test.cpp ${here}/core_optimiser_test.cpp ${here}/core_prompt_cache_test.cpp
    LIBS hnhost_core_parts)
  hn_add_test(NAME core_session_test TORCH LABELS unit
    SOURCES ${here}/core_adapter_test.cpp ${here}/core_chain_test.cpp ${here}/core_checkpoint_test.cpp
            ${here}/core_core_session_test.cpp ${here}/core_full_disk_test.cpp ${here}/core_kept_weights_test.cpp
            ${here}/core_noise_gradient_test.cpp ${here}/core_noise_net_folder_test.cpp ${here}/core_noise_net_test.cpp
            ${here}/core_relative_reward_test.cpp
            ${here}/core_reward_state_test.cpp ${here}/core_sampler_test.cpp ${here}/core_scorer_test.cpp
            ${here}/core_trainer_test.cpp ${here}/core_zeroth_order_test.cpp
    LIBS hnhost_core_parts)
  if(TARGET sana_sprint_bundle AND TARGET redness_bundle)
    hn_add_test(NAME core_emoji_test TORCH LABELS unit SOURCES ${here}/core_emoji_test.cpp LIBS hnhost_core_parts ${CMAKE_DL_LIBS})
    add_dependencies(core_emoji_test sana_sprint_bundle redness_bundle)
    if(TARGET hnhost_core AND TARGET hnhost_lib)
      find_package(nlohmann_json REQUIRED)
      hn_add_test(NAME capi_embedded_test LABELS unit SOURCES ${here}/capi_embedded_test.cpp LIBS hn::host nlohmann_json::nlohmann_json)
      add_dependencies(capi_embedded_test hnhost_core sana_sprint_bundle redness_bundle)
    endif()
  endif()
endif()
