// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <string_view>

/// One built-in conversation of the demo: two user turns, each answered by the model in the same context.
struct Prompt {
  /// Short name shown in the result table.
  std::string_view name;
  /// True where the answers repeat much of the conversation; false for fresh text, where copying can hardly help.
  bool copy_heavy;
  /// What the user says, in order; the second turn follows the model's answer to the first.
  std::array<std::string_view, 2> turns;
};

/// The conversations the demo runs when no text is given: everyday editing requests first, then fresh text.
inline constexpr Prompt built_in_prompts[] = {
    {"letter",
     true,
     {R"(Rewrite this letter so that it is for Mr. Carter instead of Mrs. Adams:

Dear Mrs. Adams,

Thank you for visiting our workshop on Monday. The oak table you ordered will be ready on the 14th of May. Our driver will call you one day before the delivery. Please keep the hallway free so that we can bring the table in.

Kind regards,
Hillside Furniture)",
      R"(Change the date to the 21st of May and write the letter again.)"}},
    {"email",
     true,
     {R"(Please correct this email:

Dear Mr. Novak,

thank you for you're order. Unfortunatly the blue curtains is not in stock at the moment. We expects a new delivery on the 12th of September. If you dont want to wait, we can sent you the green curtains today. Please let us no what you prefer.

Kind regards,
Helen Moore)",
      R"(Write the email again to Mrs. Parker.)"}},
    {"dialogue",
     true,
     {R"(Correct this dialogue:

Guest: Good morning, I have a reservation for two night.
Clerk: Good morning. What is you're name, please?
Guest: My name is Peter Lang.
Clerk: Thank you, Mr. Lang. Your room is on the thirth floor.
Guest: Is breakfast includded?
Clerk: Yes, it is served between seven and ten o'clock.)",
      R"(Change the name to Maria Stone and show the dialogue again.)"}},
    {"agenda",
     true,
     {R"(Here is the agenda for our meeting:

1. Welcome and introductions
2. Budget report for the first quarter
3. New opening hours of the library
4. Summer reading festival
5. Questions from the audience

Add a coffee break after point 3. Show the complete agenda.)",
      R"(Change first quarter to second quarter and show the complete agenda.)"}},
    {"add-method",
     true,
     {R"(Here is a Python class:

```python
class Basket:
    def __init__(self):
        self.items = []

    def add(self, name, price):
        self.items.append((name, price))

    def total(self):
        return sum(price for name, price in self.items)
```

Add a method called clear that removes all items. Show only the code.)",
      R"(Rename the class to Cart and show the complete class.)"}},
    {"rename-method",
     true,
     {R"(Here is a Python class:

```python
class Point:
    def __init__(self, x, y):
        self.x = x
        self.y = y

    def move(self, dx, dy):
        self.x += dx
        self.y += dy

    def distance(self, other):
        return ((self.x - other.x) ** 2 + (self.y - other.y) ** 2) ** 0.5
```

Rename the method move to shift. Show the complete class.)",
      R"(Rename the class to Position and show the complete class.)"}},
    {"table",
     true,
     {R"(| Day | Task | Person |
|-----|------|--------|
| Monday | Order the paint | Nora |
| Tuesday | Clean the windows | Felix |
| Wednesday | Paint the hall | Priya |

Write this table again with a row for Thursday: Hang the pictures, Omar.)",
      R"(Write the table again with Lucy instead of Nora.)"}},
    {"json",
     true,
     {R"({"name": "Laura Bennett", "company": "Northwind Bicycles", "role": "Purchasing Manager", "email": "laura@northwind.example", "city": "Bristol"}

Format this JSON with one field per line.)",
      R"(Write the JSON again with the name Martha Bennett.)"}},
    {"recipe",
     true,
     {R"(Here is a recipe:

Melt 50 grams of butter in a pan and fry one chopped onion. Add 300 grams of rice, a liter of vegetable stock and a pinch of saffron. Cook for twenty minutes, then stir in 80 grams of grated cheese and a handful of parsley.

Write the recipe as numbered steps.)",
      R"(Write the steps again with basil instead of parsley.)"}},
    {"summary",
     true,
     {R"(Summarize this text:

The old lighthouse at Pell Point was built in 1871 after a storm wrecked four fishing boats in a single night. For ninety years a keeper lived in the small stone house beside the tower and lit the lamp every evening. In 1961 the lamp was replaced by an electric light, and the keeper moved to the village. Today the house is a museum where visitors can see the original lamp, read the keeper's diaries and climb the 112 steps to the top.)",
      R"(Make your summary a little shorter.)"}},
    {"extract",
     true,
     {R"(Extract the dates and events from this text as a list:

The choir meets on 3 March for the first rehearsal. On 17 March the hall is painted. The concert is on 28 April, and the members have dinner together on 5 May.)",
      R"(Write the list again with the dates in brackets.)"}},
    {"translate-back",
     true,
     {R"(Here is a note with a French translation:

English: The bakery opens at seven. Fresh bread is ready at eight. The shop is closed on Monday.
French: La boulangerie ouvre à sept heures. Le pain frais est prêt à huit heures. Le magasin est fermé le lundi.

Write the French text in capital letters.)",
      R"(Now translate the French text back into English.)"}},
    {"story",
     false,
     {R"(Write a story about a lost umbrella in exactly three sentences.)", R"(Describe the town in two sentences.)"}},
    {"rainbow", false, {R"(Explain in a few sentences how a rainbow forms.)", R"(Now explain how snow forms.)"}},
};
