//go:build !race

package scl

// RaceEnabled tells the tests that everything takes ten times as long.
const RaceEnabled = false
