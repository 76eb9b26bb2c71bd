"""Bundles in force and in the shadow: loaded, tried beside each other, promoted and rolled back."""
