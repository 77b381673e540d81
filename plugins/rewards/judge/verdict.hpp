// Whether what was detected is what was asked: GenEval's rule, one yes or no a picture and a reason
// a column.
//
// Source: plugins/generators/sana_sprint/scripts/judge.py, is_right().
#pragma once

#include <vector>

#include "grammar.hpp"

namespace judge {

// One object on the 8x8 grid.
struct Detection {
  int object = 0;
  int colour = -1;  // -1: the object's natural one
  int column = 0, row = 0;
};

struct Finding {
  std::vector<Detection> detections;
  int background = 0;
};

// Each true or false; what was not asked is true.
struct Verdict {
  bool objects = false;  // the asked kinds of objects and no other
  bool count = false;    // each kind as often as asked
  bool colors = true;    // the asked objects have the asked colours
  bool relation =
      true;  // the first object stands to the second as asked; false where one of them is missing
  bool background = true;
  // The category's verdict: objects and count, with colors for colors and attribution, with
  // relation for position.
  bool right = false;
};

Verdict decide(const Finding& finding, const Wanted& wanted);

}  // namespace judge
