"""Inventory: owns products and stock; reserves and releases."""
