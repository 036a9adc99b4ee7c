// Package arch holds the import policy of this module as data, policy.txt, and the test that enforces it. It has no code
// that runs in the product.
package arch
