target_sources(hnhost_lib PRIVATE
  ${CMAKE_CURRENT_LIST_DIR}/../core/surroundings.cpp  # the core has it too
  ${CMAKE_CURRENT_LIST_DIR}/bundle_doubts.cpp
  ${CMAKE_CURRENT_LIST_DIR}/claims.cpp
  ${CMAKE_CURRENT_LIST_DIR}/core_module.cpp
  ${CMAKE_CURRENT_LIST_DIR}/elf.cpp
  ${CMAKE_CURRENT_LIST_DIR}/finish_manifest.cpp
  ${CMAKE_CURRENT_LIST_DIR}/library.cpp
  ${CMAKE_CURRENT_LIST_DIR}/library_file.cpp
  ${CMAKE_CURRENT_LIST_DIR}/loaded.cpp
  ${CMAKE_CURRENT_LIST_DIR}/manifest.cpp
  ${CMAKE_CURRENT_LIST_DIR}/manifest_parts.cpp
  ${CMAKE_CURRENT_LIST_DIR}/manifest_self_test.cpp
  ${CMAKE_CURRENT_LIST_DIR}/options.cpp
  ${CMAKE_CURRENT_LIST_DIR}/plugin_calls.cpp
  ${CMAKE_CURRENT_LIST_DIR}/scan.cpp
  ${CMAKE_CURRENT_LIST_DIR}/shared_library.cpp)
