// The families of picture questions. Each plans one sample for the last part of a kind's path: plan_bars(ask, "highest") for
// "pictures/bars/highest". The table of all kinds is in pictures.cc.
#pragma once

#include <string_view>

#include "data/pictures/ask.h"

namespace firesteel::pictures {

Plan plan_first(Asker* ask, std::string_view question);   // one patch or one row of patches
Plan plan_easy(Asker* ask, std::string_view question);    // one thing only: a digit, a colour, some dots
Plan plan_reading(Asker* ask, std::string_view question); // digits, numbers, words
Plan plan_bars(Asker* ask, std::string_view question);
Plan plan_lines(Asker* ask, std::string_view question);
Plan plan_pie(Asker* ask, std::string_view question);
Plan plan_clock(Asker* ask, std::string_view question);
Plan plan_gauge(Asker* ask, std::string_view question);
Plan plan_thermometer(Asker* ask, std::string_view question);
Plan plan_ruler(Asker* ask, std::string_view question);
Plan plan_number_line(Asker* ask, std::string_view question);
Plan plan_scene(Asker* ask, std::string_view question);   // coloured shapes
Plan plan_dots(Asker* ask, std::string_view question);
Plan plan_dice(Asker* ask, std::string_view question);
Plan plan_table(Asker* ask, std::string_view question);
Plan plan_general(Asker* ask, std::string_view question);  // what it is, what is to be seen
Plan plan_plane(Asker* ask, std::string_view question);   // points with coordinates

}  // namespace firesteel::pictures
