package cli

import "github.com/urfave/cli/v2"

// maxTypos is how many letters a misspelt name may have wrong to be guessed.
const maxTypos = 2

// didYouMean names the command that is closest to a misspelt one, else one by the name given that stands below another command, in words that end
// with a space; it is empty when there is neither.
func didYouMean(commands []*cli.Command, given string) string {
	names := make([]string, len(commands))
	for i, c := range commands {
		names[i] = c.Name
	}
	guess := nearest(names, given)
	if guess == "" {
		guess = below(commands, given)
	}
	if guess == "" {
		return ""
	}
	return "Did you mean \"" + guess + "\"? "
}

// nearest is the name that is closest to a misspelt one, if one is close enough.
func nearest(names []string, given string) string {
	best, guess := maxTypos+1, ""
	for _, name := range names {
		if d := distance(given, name); d < min(best, len(name)) {
			best, guess = d, name
		}
	}
	return guess
}

// below finds a subcommand by its name.
func below(commands []*cli.Command, name string) string {
	for _, c := range commands {
		for _, sub := range c.Subcommands {
			if sub.Name == name {
				return c.Name + " " + sub.Name
			}
		}
	}
	return ""
}

// distance counts the bytes to insert, delete or replace that make b of a (Levenshtein, 1966). A long a is far from everything.
func distance(a, b string) int {
	if len(a) > len(b)+maxTypos {
		return len(a)
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
