//! Letters for pictures: printable ASCII, five columns by seven rows and two rows below the line.

/// Columns from one letter to the next, gap included.
pub(super) const ADVANCE: usize = 6;
/// Rows of a letter, descenders included.
pub(super) const HEIGHT: usize = 9;
/// Rows above the line: the height of a capital.
pub(super) const CAPITAL: usize = 7;

const FIRST: usize = 0x20;
const PER_STRIP: usize = 16;

/// The letters as they look, sixteen to a strip.
#[rustfmt::skip]
const STRIPS: [[&str; HEIGHT]; 6] = [
    [
        "        #    # #   # #    #   ##  #  ##     #      #   #                                      #",
        "        #    # #   # #   #### ##  # #  #    #     #     #     #     #                         #",
        "        #    # #  ##### # #      #  # #     #    #       #  # # #   #                        # ",
        "        #          # #   ###    #    #           #       #   ###  #####       #####         #  ",
        "        #         #####   # #  #    # # #        #       #  # # #   #                      #   ",
        "                   # #  ####  #  ## #  #          #     #     #     #     ##          ##  #    ",
        "        #          # #    #   #  ##  ## #          #   #                  ##          ##  #    ",
        "                                                                           #                   ",
        "                                                                          #                    ",
    ],
    [
        " ###    #    ###   ###     #  #####   ##  #####  ###   ###                 #         #     ### ",
        "#   #  ##   #   # #   #   ##  #      #        # #   # #   #   ##    ##    #           #   #   #",
        "#  ##   #       #     #  # #  ####  #        #  #   # #   #   ##    ##   #    #####    #      #",
        "# # #   #     ##    ##  #  #      # ####    #    ###   ####             #               #    # ",
        "##  #   #    #        # #####     # #   #   #   #   #     #   ##         #    #####    #    #  ",
        "#   #   #   #     #   #    #  #   # #   #  #    #   #    #    ##    ##    #           #        ",
        " ###   ###  #####  ###     #   ###   ###   #     ###   ##           ##     #         #      #  ",
        "                                                                     #                         ",
        "                                                                    #                          ",
    ],
    [
        " ###    #   ####   ###  ####  ##### #####  ###  #   #  ###    ### #   # #     #   # #   #  ### ",
        "#   #  # #  #   # #   # #   # #     #     #   # #   #   #      #  #  #  #     ## ## ##  # #   #",
        "# ### #   # #   # #     #   # #     #     #     #   #   #      #  # #   #     # # # # # # #   #",
        "# # # #   # ####  #     #   # ####  ####  # ### #####   #      #  ##    #     # # # # # # #   #",
        "# ### ##### #   # #     #   # #     #     #   # #   #   #      #  # #   #     #   # #  ## #   #",
        "#     #   # #   # #   # #   # #     #     #   # #   #   #   #  #  #  #  #     #   # #   # #   #",
        " #### #   # ####   ###  ####  ##### #      #### #   #  ###   ##   #   # ##### #   # #   #  ### ",
        "                                                                                               ",
        "                                                                                               ",
    ],
    [
        "####   ###  ####   #### ##### #   # #   # #   # #   # #   # #####  ###  #      ###    #        ",
        "#   # #   # #   # #       #   #   # #   # #   # #   # #   #     #  #    #        #   # #       ",
        "#   # #   # #   # #       #   #   # #   # #   #  # #   # #     #   #     #       #  #   #      ",
        "####  #   # ####   ###    #   #   # #   # # # #   #     #     #    #      #      #             ",
        "#     # # # # #       #   #   #   #  # #  # # #  # #    #    #     #       #     #             ",
        "#     #  #  #  #      #   #   #   #  # #  ## ## #   #   #   #      #        #    #             ",
        "#      ## # #   # ####    #    ###    #   #   # #   #   #   #####  ###      #  ###             ",
        "                                                                                          #####",
        "                                                                                               ",
    ],
    [
        " #          #               #         ##        #       #      #  #      ##                    ",
        "  #         #               #        #          #                 #       #                    ",
        "       ###  # ##   ####  ## #  ###  ####   #### # ##   ##     ##  #  #    #   ## #  # ##   ### ",
        "          # ##  # #     #  ## #   #  #    #   # ##  #   #      #  # #     #   # # # ##  # #   #",
        "       #### #   # #     #   # #####  #    #   # #   #   #      #  ##      #   # # # #   # #   #",
        "      #   # #   # #     #   # #      #    #   # #   #   #      #  # #     #   # # # #   # #   #",
        "       #### ####   ####  ####  ###   #     #### #   #  ###     #  #  #   ###  # # # #   #  ### ",
        "                                              #             #  #                               ",
        "                                           ###               ##                                ",
    ],
    [
        "                         #                                           #    #    #               ",
        "                         #                                          #     #     #              ",
        "####   #### # ##   #### ####  #   # #   # #   # #   # #   # #####   #     #     #    #  #      ",
        "#   # #   # ##  # #      #    #   # #   # #   #  # #  #   #    #   #      #      #  # # #      ",
        "#   # #   # #      ###   #    #   # #   # # # #   #   #   #   #     #     #     #   #  #       ",
        "#   # #   # #         #  #  # #  ##  # #  # # #  # #  #   #  #      #     #     #              ",
        "####   #### #     ####    ##   ## #   #    # #  #   #  #### #####    #    #    #               ",
        "#         #                                               #                                    ",
        "#         #                                            ###                                     ",
    ],
];

/// Whether the dot at `column` (0..5) and `row` (0..9) of a letter is set; what is not printable ASCII looks like `?`.
pub(super) fn dot(letter: char, column: usize, row: usize) -> bool {
    let letter = if letter.is_ascii_graphic() || letter == ' ' { letter } else { '?' };
    let place = letter as usize - FIRST;
    let strip = STRIPS[place / PER_STRIP][row].as_bytes();
    strip.get(place % PER_STRIP * ADVANCE + column) == Some(&b'#')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn art(letter: char) -> Vec<String> {
        (0..HEIGHT).map(|row| (0..5).map(|column| if dot(letter, column, row) { '#' } else { '.' }).collect()).collect()
    }

    #[test]
    fn letters_are_told_apart() {
        let all: Vec<_> = (' '..='~').map(art).collect();
        for (n, letter) in all.iter().enumerate() {
            assert!(all[..n].iter().all(|other| other != letter), "two letters look the same: {letter:#?}");
        }
    }

    #[test]
    fn letters_stand_where_their_code_says() {
        assert_eq!(art('L')[..7], ["#....", "#....", "#....", "#....", "#....", "#....", "#####"], "L");
        assert_eq!(art('~')[2], ".#..#", "the last letter");
        assert_eq!(art('\u{e9}'), art('?'), "foreign letters");
        assert_eq!(art(' ').concat().matches('#').count(), 0, "a blank is blank");
    }
}
