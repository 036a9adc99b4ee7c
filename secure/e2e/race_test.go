//go:build race

package e2e

// raceEnabled tells the tests that everything takes ten times as long.
const raceEnabled = true
