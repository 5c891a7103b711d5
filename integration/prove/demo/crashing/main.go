// Crashing is a build of a service that ends as soon as it starts, as a release
// with a broken configuration would. The demo upgrades to it once.
package main

func main() {
	panic("this build crashes when it starts")
}
