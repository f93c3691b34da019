"""Everything that can be put on a table."""

from marigold_scenes.things import desk, tableware

SMALL = (
    *(tableware.plate, tableware.cup, tableware.glass, tableware.bottle, tableware.jar, tableware.fruit_bowl),
    *(tableware.loose_fruit, tableware.cutlery, tableware.board, tableware.pot),
    *(desk.books, desk.laptop, desk.vase, desk.candle, desk.gadget, desk.small_plant, desk.small_lamp),
)
"""Functions of an assembly and a placement that return a radius."""
