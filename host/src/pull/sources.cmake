# Getting weights: the list of known models, Hugging Face's cache folder, downloads. HTTP itself is ../http, a module.
target_sources(hnhost_lib PRIVATE
  ${CMAKE_CURRENT_LIST_DIR}/digest.cpp
  ${CMAKE_CURRENT_LIST_DIR}/download.cpp
  ${CMAKE_CURRENT_LIST_DIR}/http_module.cpp
  ${CMAKE_CURRENT_LIST_DIR}/hub_client.cpp
  ${CMAKE_CURRENT_LIST_DIR}/hub_places.cpp
  ${CMAKE_CURRENT_LIST_DIR}/licence.cpp
  ${CMAKE_CURRENT_LIST_DIR}/part_file.cpp
  ${CMAKE_CURRENT_LIST_DIR}/pull.cpp
  ${CMAKE_CURRENT_LIST_DIR}/repo_cache.cpp
  ${CMAKE_CURRENT_LIST_DIR}/snapshot.cpp
  ${CMAKE_CURRENT_LIST_DIR}/transfer.cpp
  ${CMAKE_CURRENT_LIST_DIR}/verify.cpp
  ${CMAKE_CURRENT_LIST_DIR}/weights_list.cpp)
