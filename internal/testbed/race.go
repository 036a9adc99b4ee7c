//go:build race

package testbed

// RaceEnabled tells tests that everything takes ten times as long.
const RaceEnabled = true
