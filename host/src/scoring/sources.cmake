# Sets of pictures and their scores.
target_sources(hnhost_lib PRIVATE
  ${CMAKE_CURRENT_LIST_DIR}/evaluate.cpp
  ${CMAKE_CURRENT_LIST_DIR}/headroom.cpp
  ${CMAKE_CURRENT_LIST_DIR}/image_window.cpp
  ${CMAKE_CURRENT_LIST_DIR}/picture_pairs.cpp
  ${CMAKE_CURRENT_LIST_DIR}/prompt_lookup.cpp
  ${CMAKE_CURRENT_LIST_DIR}/score_items.cpp
  ${CMAKE_CURRENT_LIST_DIR}/score_requests.cpp
  ${CMAKE_CURRENT_LIST_DIR}/score_set.cpp
  ${CMAKE_CURRENT_LIST_DIR}/score_table.cpp
  ${CMAKE_CURRENT_LIST_DIR}/scorer_service.cpp
  ${CMAKE_CURRENT_LIST_DIR}/scores_file.cpp
  ${CMAKE_CURRENT_LIST_DIR}/set_scorer.cpp
  ${CMAKE_CURRENT_LIST_DIR}/statistics.cpp
  ${CMAKE_CURRENT_LIST_DIR}/two_way.cpp
  ${CMAKE_CURRENT_LIST_DIR}/variance.cpp)
