"""The columns of a packed material row: `materials` writes them, `textures` reads them."""

# The pattern: the index of a pattern in `textures.PATTERNS`, its seed (an integer below 2^24) and four colours
# (linear reflectance).
KIND, SEED = 0, 1
COLOURS = COLOUR_A, COLOUR_B, COLOUR_C, COLOUR_D = 2, 5, 8, 11

# Where: the size of a feature in metres, height over width, the angle in its plane, the stretch of each axis.
PERIOD, ASPECT, ANGLE = 14, 15, 16
STRETCH = 17

# How: amplitude of each octave over the one before, contrast, domain warp, and four numbers that each kind names.
GAIN, CONTRAST, WARP = 20, 21, 22
P0, P1, P2, P3 = 23, 24, 25, 26

# The surface: roughness at the pattern's low and high end, metallicity, steepness of the relief, emitted radiance.
ROUGH_LOW, ROUGH_HIGH, METAL, RELIEF = 27, 28, 29, 30
GLOW = 31

# Age, for every kind: uneven tone and hue, and dirt of some colour over some share of the surface.
VARY, HUE, VARY_PERIOD = 34, 35, 36
DIRT, DIRT_SHARE, DIRT_COLOUR = 37, 38, 39

WIDTH = 42
