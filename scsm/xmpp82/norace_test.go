//go:build !race

package xmpp82_test

// raceEnabled tells the tests that everything takes ten times as long.
const raceEnabled = false
