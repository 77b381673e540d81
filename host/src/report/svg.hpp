// Line and scatter charts as inline SVG for the reports; colours come from the page's style sheet.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace hn::host {

std::string escape_html(std::string_view text);  // & < > " '
std::string base64(std::string_view bytes);
// A number for people: 4 significant digits, "-" for what is not finite.
std::string number_text(double value);

struct Series {
  std::string name;
  std::vector<double> x, y;          // of one length; a pair that is not finite breaks the line
  std::vector<std::string> label{};  // tooltips of the points, empty or one a point
  bool markers = false;              // a dot at each point; the last is larger
  int colour = 0;                    // 0-5, CSS classes c0-c5
};

struct Chart {
  std::string title;
  std::string x_label;
  std::string y_label;
  std::vector<Series> series;
};

// One <figure> with an <svg>: axes with round ticks, a legend where there are several series. A
// chart without a finite point says so.
std::string svg_chart(const Chart& chart);

// Round tick positions that cover [low, high]: 1, 2 or 5 times a power of ten apart, about `wanted`
// of them.
std::vector<double> nice_ticks(double low, double high, int wanted);

}  // namespace hn::host
