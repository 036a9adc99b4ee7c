// Package control is the machine of one control object: who has selected it, whether a command may be carried out, and
// how it ends. It knows neither values in a store nor the process: a shell asks both on its behalf.
package control
