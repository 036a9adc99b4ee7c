//go:build !race

package scl_test

// raceEnabled tells the tests that everything takes ten times as long.
const raceEnabled = false
